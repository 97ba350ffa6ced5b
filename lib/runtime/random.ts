/** Random: the only source of randomness, so that a test or a simulation can replace it. */
import { randomBytes, randomUUID } from 'node:crypto';

export interface Random {
  /** At least 0, below 1. */
  fraction(): number;
  bytes(count: number): Buffer;
  /** Of version 4. */
  uuid(): string;
}

export const systemRandom: Random = {
  fraction: Math.random,
  bytes: randomBytes,
  uuid: randomUUID,
};
