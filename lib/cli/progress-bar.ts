/** The bar that shows how much of something is done. */
const BAR_WIDTH = 24;

/** With two blanks behind it; nothing where nobody knows how much there is (null). */
export function shareBar(given: number | null): string {
  if (given === null || Number.isNaN(given)) return '';
  const share = Math.min(1, given);
  const filled = Math.floor(share * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)} %  `;
}
