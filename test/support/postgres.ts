/** A database for each test, on the server that the set-up of the tests brought up. */
import { inject, onTestFinished } from 'vitest';
import { postgresAt, type TestDatabase } from '../../services/postgres.js';

/** Fresh and empty; removed after the test that calls this, with all that is in it. */
export async function freshDatabase(): Promise<TestDatabase> {
  const database = await postgresAt(inject('postgres')).database();
  onTestFinished(() => database.drop());
  return database;
}
