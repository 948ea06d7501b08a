// A plot of positive numbers against positive numbers, both axes logarithmic, as SVG.
//
// lines: [{name, color, dashed, points: [[x, y]]}]; those with fewer than two points are
// left out.
const size = { width: 890, height: 620, left: 76, right: 280, top: 48, bottom: 56 };
const font = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif"';

const escape = (s) => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const label = (n) => (n >= 1 ? String(n) : n.toPrecision(1).replace(/0+$/, ''));

function text(x, y, content, { anchor = 'start', pixels = 12, more = '' } = {}) {
  const at = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"`;
  return `<text ${at} font-size="${pixels}" ${font} fill="#222" ${more}>${escape(content)}</text>`;
}

const stroke = (x1, y1, x2, y2, color) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${color}"/>`;

// Where a value stands between the ends of an axis.
function scale(low, high, from, to) {
  const [a, b] = [Math.log(low), Math.log(high)];
  return (value) => from + ((Math.log(value) - a) / (b - a)) * (to - from);
}

function line({ color, dashed, points }, x, y) {
  const at = points.map((p) => [x(p[0]).toFixed(1), y(p[1]).toFixed(1)]);
  const dash = dashed ? ' stroke-dasharray="6 4"' : '';
  const dots = at.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.6" fill="${color}"/>`);
  const through = at.map((p) => p.join()).join(' ');
  return `<polyline fill="none" stroke="${color}" stroke-width="2"${dash} points="${through}"/>${dots.join('')}`;
}

function legend(lines, x) {
  return lines.map(({ name, color, dashed }, n) => {
    const y = size.top + 10 + 21 * n;
    const dash = dashed ? ' stroke-dasharray="6 4"' : '';
    const ends = `x1="${x}" y1="${y}" x2="${x + 26}" y2="${y}"`;
    return `<line ${ends} stroke="${color}" stroke-width="2.5"${dash}/>${text(x + 33, y + 4, name)}`;
  });
}

export function plot({ title, xTitle, yTitle, ticks, lines: all }) {
  const lines = all.filter((one) => one.points.length > 1);
  const values = lines.flatMap((one) => one.points.map((p) => p[1]));
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const [right, bottom] = [size.width - size.right, size.height - size.bottom];
  const x = scale(ticks[0], ticks.at(-1), size.left, right);
  const y = scale(low, high, bottom, size.top);

  const parts = [];
  for (let decade = low; decade <= high * 1.01; decade *= 10) {
    for (let n = 2; n < 10 && decade < high / 1.01; n++)
      parts.push(stroke(size.left, y(decade * n), right, y(decade * n), '#f2f2f2'));
    parts.push(stroke(size.left, y(decade), right, y(decade), '#cccccc'));
    parts.push(text(size.left - 8, y(decade) + 4, label(decade), { anchor: 'end' }));
  }
  for (const tick of ticks) {
    parts.push(stroke(x(tick), size.top, x(tick), bottom, '#dddddd'));
    parts.push(text(x(tick), bottom + 18, String(tick), { anchor: 'middle' }));
  }
  const middle = (size.top + bottom) / 2;
  parts.push(
    ...lines.map((one) => line(one, x, y)),
    ...legend(lines, right + 14),
    text(size.left, 28, title, { pixels: 15 }),
    text((size.left + right) / 2, size.height - 14, xTitle, { anchor: 'middle', pixels: 13 }),
    text(20, middle, yTitle, { anchor: 'middle', pixels: 13, more: `transform="rotate(-90 20 ${middle})"` })
  );
  const { width, height } = size;
  const box = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box}>
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`;
}
