/** The doors by name. A process without an answer for longer than `silenceMs` hangs. */
export const DOORS: Readonly<Record<string, { readonly file: string; readonly silenceMs: number }>> = {
  message: { file: fileOf('message'), silenceMs: 30_000 },
  configuration: { file: fileOf('configuration'), silenceMs: 30_000 },
  control: { file: fileOf('control'), silenceMs: 60_000 },
  broker: { file: fileOf('broker'), silenceMs: 120_000 },
  send: { file: fileOf('send'), silenceMs: 60_000 },
};

function fileOf(name: string): string {
  return new URL(`doors/${name}.ts`, import.meta.url).href;
}
