/** Latency curves as a picture: one line for each histogram, over percentiles. */
import type { Histogram } from 'hdr-histogram-js';

interface Curve {
  readonly name: string;
  /** Microseconds. */
  readonly latency: Histogram;
}

const [WIDTH, HEIGHT] = [760, 420];
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 110, 30, 50];
const COLOURS = ['#0b6bcb', '#c2410c', '#15803d', '#7e22ce', '#be123c', '#475569'];
/** Each of these is as far from the one before it, since what is rare is what matters. */
const PERCENTILES = [0, 90, 99, 99.9, 99.99];

/** SVG; milliseconds on a logarithmic axis. */
export function latencyPicture(curves: readonly Curve[]): string {
  const values = curves.flatMap(({ latency }) => [
    latency.getValueAtPercentile(1),
    latency.getValueAtPercentile(99.99),
  ]);
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const x = (percentile: number) =>
    LEFT + (-Math.log10(1 - percentile / 100) / 4) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => {
    const share = Math.log10(Math.max(value, low) / low) / Math.log10(high / low);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  };
  const parts: string[] = [];
  for (const percentile of PERCENTILES) {
    const at = x(percentile);
    parts.push(line(at, TOP, at, HEIGHT - BOTTOM));
    parts.push(text(at, HEIGHT - BOTTOM + 20, `${percentile} %`, 'middle'));
  }
  for (let value = low; value <= high; value *= 10) {
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value)));
    parts.push(text(LEFT - 8, y(value) + 4, `${value / 1_000} ms`, 'end'));
  }
  // Names that would cover each other move apart.
  let above = Number.POSITIVE_INFINITY;
  const ends = curves.map(({ latency }, i) => ({ i, at: y(latency.getValueAtPercentile(99.99)) }));
  const labels = new Map<number, number>();
  for (const { i, at } of ends.sort((a, b) => b.at - a.at)) {
    above = Math.min(at, above - 15);
    labels.set(i, above);
  }
  for (const [i, { name, latency }] of curves.entries()) {
    const colour = COLOURS[i % COLOURS.length];
    const points: string[] = [];
    for (let step = 0; step <= 200; step++) {
      const percentile = 100 * (1 - 10 ** ((-step / 200) * 4));
      const value = latency.getValueAtPercentile(percentile);
      points.push(`${x(percentile).toFixed(1)},${y(value).toFixed(1)}`);
    }
    parts.push(
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      text(WIDTH - RIGHT + 8, (labels.get(i) ?? 0) + 4, name, 'start', colour),
    );
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, 'of all answers came within', 'middle'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

const line = (x1: number, y1: number, x2: number, y2: number) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#e2e8f0"/>`;

const text = (x: number, y: number, words: string, anchor: string, colour = '#475569') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${words}</text>`;
