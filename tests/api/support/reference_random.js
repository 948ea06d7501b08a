// Numbers that look random and depend on a seed and a place alone, as the page describes
// them: SplitMix64 (Steele, Lea and Flood 2014), with whole numbers modulo 2^64.
const wrap = (z) => BigInt.asUintN(64, z);

function mix(z) {
  z = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

// Number n of the stream that begins at `state`.
export const next = (state, n) => mix(wrap(BigInt(state) + (BigInt(n) + 1n) * 0x9e3779b97f4a7c15n));

export function isDropped({ rate, seed = 0 }, b, h, i, j) {
  const cell = next(next(next(next(seed, b), h), i), j);
  return Number(cell >> 40n) < Math.fround(rate) * 2 ** 24;
}

// From 0 to below `count`.
export const below = (stream, n, count) => Number((next(stream, n) * BigInt(count)) >> 64n);

// Standard normal, after Box and Muller: numbers 2 p and 2 p + 1 are made of the same two.
export function normal(stream, n) {
  const uniform = (bits, plus) => (Number(bits >> 11n) + plus) * 2 ** -53;
  const first = n - (n % 2);
  const radius = Math.sqrt(-2 * Math.log(uniform(next(stream, first), 1)));
  const angle = 2 * Math.PI * uniform(next(stream, first + 1), 0);
  return radius * (n % 2 ? Math.sin(angle) : Math.cos(angle));
}
