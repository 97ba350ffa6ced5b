/** Refusal: thrown by whatever reads a value of the configuration that it cannot take. */
export class Refusal extends Error {
  constructor(
    /** What would have been accepted. */
    readonly allowed: string,
    readonly hint?: string,
    /** What was given may hold a secret and must not be shown. */
    readonly hidden = false,
  ) {
    super(`allowed is ${allowed}`);
  }
}
