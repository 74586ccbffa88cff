// Pairs of labels in the picture of an order whose boxes overlap by more than a hair.
() => {
  const boxes = [...document.querySelectorAll('.chart text[class^=label], .chart .deviation text')].map((e) => [e.textContent, e.getBoundingClientRect()]);
  const overlap = (p, q) => p.left < q.right && q.left < p.right && p.top + 3 < q.bottom - 3 && q.top + 3 < p.bottom - 3;
  return boxes.flatMap(([a, p], i) => boxes.slice(0, i).filter(([, q]) => overlap(p, q)).map(([b]) => a + ' / ' + b));
}
