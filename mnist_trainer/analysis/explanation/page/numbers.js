"use strict";
// Numbers for people: as the lecture writes them.

/** Write a number in few characters: four decimals if they fit, the order of a tiny or huge one, 0 as 0. */
function number(value, decimals = 4) {
  if (Number.isNaN(value)) return "nan";
  const size = Math.abs(value), sign = value < 0 ? "−" : "";
  if (size === Infinity) return `${sign}inf`;
  if (size === 0) return "0";
  if (size < 0.5 * 10 ** -decimals || size >= 9999.5) return sign + power(size);
  return sign + size.toFixed(Math.min(decimals, Math.max(0, 5 - String(Math.trunc(size)).length)));
}

/** A number's text with a minus for each hyphen, and no plus. */
const exponents = text => text.replaceAll("-", "−").replace("+", "");

/** A number as its order: 6e−17. */
const power = size => exponents(size.toExponential(0));

/** A cell of the matrix: two or three decimals without the 0 before the point; what no one could see is ≈0. */
function cell(value) {
  const size = Math.abs(value), sign = value < 0 ? "−" : "";
  if (!Number.isFinite(value)) return number(value);
  if (size >= 0.9995) return sign + (size < 99.95 ? size.toFixed(size < 9.95 ? 1 : 0) : power(size));
  if (size >= 0.0995) return sign + size.toFixed(2).slice(1);
  if (size >= 0.0005) return sign + size.toFixed(3).slice(1);
  return size === 0 ? "0" : "≈0";
}

/** So many significant digits, zeros at the end left out. */
function significant(value, digits = 3) {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size === 0) return number(value);
  if (size >= 99999.5 || size < 1e-4) return exponents(Number(value.toPrecision(digits)).toExponential());
  return exponents(String(Number(value.toPrecision(digits))));
}

/** The digits, 4 to 6, with which what is another number than the first is written as another. */
function digitsToTellApart(first, others) {
  const tells = digits => x => significant(x, digits) !== significant(first, digits), differing = others.filter(tells(6));
  return [4, 5].find(digits => differing.every(tells(digits))) ?? 6;
}

/** Whether two numbers, or lists of them, are written alike. */
const alike = (one, other, write = number) =>
  Array.isArray(one) ? one.every((x, i) => alike(x, other[i], write)) : write(one) === write(other);

const largestDifference = (one, other) => Math.max(...one.map((x, i) => Math.abs(x - other[i])));
const indexOfLargest = values => values.indexOf(Math.max(...values));
const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const listed = words => words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
const escaped = text => text.replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`);
