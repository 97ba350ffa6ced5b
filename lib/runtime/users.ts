/** Users of the system, as a person calls them. */
import { readFileSync } from 'node:fs';

/** `root (user id 0)` */
export function nameOfUser(uid: number): string {
  const id = `user id ${uid}`;
  try {
    const entry = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.split(':')[2] === String(uid));
    return entry === undefined ? id : `${entry.split(':')[0]} (${id})`;
  } catch {
    return id;
  }
}
