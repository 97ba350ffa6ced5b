/** The code in a document: its blocks by language, and what stands in a line of text. */

/** The blocks of one language, as they are written. */
export function codeIn(text: string, language: string): string[] {
  const blocks = text.matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return Array.from(blocks)
    .filter(([, written]) => written === language)
    .map(([, , code = '']) => code);
}

/** Code within sentences. */
export function codeWithin(text: string): string[] {
  const sentences = text.replace(/^```.*?^```$/gms, '');
  return Array.from(sentences.matchAll(/`([^`]+)`/g), ([, code = '']) => code.replaceAll('\n', ' '));
}
