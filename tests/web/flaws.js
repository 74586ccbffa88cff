() => {
  const flaws = [], named = (e) => (e.getAttribute('aria-label') || e.title || e.textContent || e.labels?.[0]?.textContent || '').trim();
  for (const e of document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')) if (!named(e) && !e.querySelector('title')) flaws.push('no name: ' + e.outerHTML.slice(0, 80));
  for (const e of document.querySelectorAll('svg')) if (!e.closest('[aria-hidden]') && !e.hasAttribute('aria-hidden') && !e.closest('[aria-label]') && !e.hasAttribute('aria-label')) flaws.push('drawing without a name');
  for (const e of document.querySelectorAll('[aria-labelledby]')) if (!document.getElementById(e.getAttribute('aria-labelledby'))) flaws.push('label is missing');
  if (document.querySelectorAll('h1').length !== 1) flaws.push('not one h1');
  for (const e of document.querySelectorAll('thead th')) if (e.scope !== 'col') flaws.push('column without scope');
  for (const e of document.querySelectorAll('button, select, input, nav a, .tabs a, .languages a')) { const box = e.getBoundingClientRect(); if (box.width && (box.height < 24 || box.width < 24)) flaws.push('small target: ' + e.outerHTML.slice(0, 80)); }
  return flaws;
}
