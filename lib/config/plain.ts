/**
 * Plain scalars: what a YAML scalar without quotes means. DP3 reads its files by YAML 1.1 as PyYAML understands it, in which `yes` is
 * true, `010` is 8 and `1:30` is 90; YAML 1.2 reads text, 10 and text. The same folder must mean the same to both programs, so
 * values are read as DP3 reads them, and whatever YAML 1.2 reads otherwise is reported. (The "1.1" of the yaml package goes further
 * than PyYAML does: `y` is true there.)
 */

/** A scalar as it is read, and a sentence where that may surprise. */
export interface Reading {
  readonly value: string | number | bigint | boolean | null;
  readonly surprise?: string;
}

const TRUE = /^(?:true|True|TRUE|yes|Yes|YES|on|On|ON)$/;
const FALSE = /^(?:false|False|FALSE|no|No|NO|off|Off|OFF)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const DECIMAL = /^[-+]?(?:0|[1-9][0-9_]*)$/;
const OCTAL = /^[-+]?0[0-7_]+$/;
const HEXADECIMAL = /^[-+]?0x[0-9a-fA-F_]+$/;
const BINARY = /^[-+]?0b[01_]+$/;
const SIXTIES = /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/;
const SIXTIES_WITH_FRACTION = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/;
const FRACTION = /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$/;
const INFINITE = /^[-+]?\.(?:inf|Inf|INF)$/;
const NOT_A_NUMBER = /^\.(?:nan|NaN|NAN)$/;
const DATE = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:$|[Tt \t])/;
/** What YAML 1.2 reads as a number. */
const NUMBER_OF_12 =
  /^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$/;

/** Reads the text of a plain scalar. */
export function readPlain(source: string): Reading {
  if (NULL.test(source)) return { value: null };
  if (TRUE.test(source)) return readWord(source, true);
  if (FALSE.test(source)) return readWord(source, false);
  if (INFINITE.test(source)) return { value: source.startsWith('-') ? -Infinity : Infinity };
  if (NOT_A_NUMBER.test(source)) return { value: NaN };
  const number = readNumber(source);
  if (number !== undefined)
    return plainIn12(source) ? { value: number } : { value: number, surprise: asDp3(source, number) };
  if (NUMBER_OF_12.test(source)) {
    return {
      value: source,
      surprise: `${source} is read as text, as DP3 reads it; elsewhere in YAML it is a number. ${rewrite(source)}`,
    };
  }
  if (DATE.test(source))
    return { value: source, surprise: `${source} is read as text; DP3 reads a date. Write it in quotes.` };
  return { value: source };
}

function readWord(source: string, value: boolean): Reading {
  return source.toLowerCase() === String(value) ? { value } : { value, surprise: asDp3(source, value) };
}

function readNumber(source: string): number | bigint | undefined {
  const bare = source.replaceAll('_', '');
  const negative = bare.startsWith('-');
  const digits = bare.replace(/^[-+]/, '');
  if (DECIMAL.test(source)) return exact(negative, digits);
  if (OCTAL.test(source)) return exact(negative, `0o${digits.slice(1) || '0'}`);
  if (HEXADECIMAL.test(source) && digits.length > 2) return exact(negative, digits);
  if (BINARY.test(source) && digits.length > 2) return exact(negative, digits);
  if (SIXTIES.test(source) || SIXTIES_WITH_FRACTION.test(source)) {
    const value = digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
    return negative ? -value : value;
  }
  return FRACTION.test(source) ? Number(bare) : undefined;
}

/** A number where that is exact, else a bigint. */
function exact(negative: boolean, digits: string): number | bigint {
  const value = negative ? -BigInt(digits) : BigInt(digits);
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Whether YAML 1.2 reads the same number. */
function plainIn12(source: string): boolean {
  return NUMBER_OF_12.test(source) && !(OCTAL.test(source) && !/^[-+]?0+$/.test(source)) && !source.includes('_');
}

function asDp3(source: string, value: unknown): string {
  return `${source} is read as ${String(value)}, as DP3 reads it; elsewhere in YAML it is something else. Write ${String(value)}, or "${source}" in quotes if text is meant.`;
}

function rewrite(source: string): string {
  return `Write the number in digits, or "${source}" in quotes.`;
}
