export const minimum = (all) => all.reduce((a, b) => Math.min(a, b), Infinity);
export const maximum = (all) => all.reduce((a, b) => Math.max(a, b), -Infinity);
export const geometricMean = (all) => Math.exp(all.reduce((sum, x) => sum + Math.log(x), 0) / all.length);

export function median(all) {
  const sorted = [...all].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
