import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { shown } from '../../lib/cli/columns.js';
import { Output } from '../../lib/cli/output.js';

describe('output', () => {
  it('prints tables in columns without blanks at the end of lines', async () => {
    const stdout = new PassThrough();
    const output = new Output(stdout, new PassThrough());
    await output.table(
      ['key', 'n'],
      [
        ['long key', 1n],
        ['k', null],
        ['日本', true],
      ],
    );
    expect(String(stdout.read())).toBe('key       n\nlong key  1\nk         -\n日本      true\n');
  });

  it('escapes control characters, line ends and marks that turn text around', () => {
    expect(shown('a\u001b[0m\n\u2028\u202eb\u007f')).toBe('a\\u001b[0m\\u000a\\u2028\\u202eb\\u007f');
    expect(shown('ü 👩‍💻 ok')).toBe('ü 👩‍💻 ok');
  });

  it('waits for a slow reader', async () => {
    const stdout = new PassThrough({ highWaterMark: 10 });
    const output = new Output(stdout, new PassThrough());
    let done = false;
    const printing = output.line('x'.repeat(100)).then(() => {
      done = true;
    });
    await new Promise(setImmediate);
    expect(done).toBe(false);
    stdout.read();
    await printing;
  });

  it('tells a failed write as an error of the command, and a reader that went away not at all', async () => {
    const failing = (code: string) =>
      new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) });
    const full = new Output(failing('ENOSPC'), new PassThrough());
    await full.line('x');
    await new Promise(setImmediate);
    await expect(full.line('y')).rejects.toThrow('the output cannot be written');
    const gone = new Output(failing('EPIPE'), new PassThrough());
    await gone.line('x');
    await new Promise(setImmediate);
    expect(gone.closed).toBe(true);
    await gone.line('y');
  });

  it('shows progress on a terminal alone, in one line that gives way to what is told', () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true });
    const output = new Output(new PassThrough(), terminal);
    output.progress(null);
    output.progress('1 %');
    output.progress('2\u001b %');
    output.note('something');
    output.note('more');
    expect(String(terminal.read())).toBe('\r\u001b[2K1 %\r\u001b[2K2\\u001b %\r\u001b[2Ksomething\nmore\n');
    const file = new PassThrough();
    new Output(new PassThrough(), file).progress('1 %');
    expect(file.read()).toBeNull();
  });

  it('uses colours only on a terminal', async () => {
    const stdout = new PassThrough();
    await new Output(stdout, new PassThrough()).heading('x');
    expect(String(stdout.read())).toBe('x\n');
  });
});
