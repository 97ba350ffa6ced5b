/** What the author of a module or of a program that sends imports; nothing else of this package is public. */
export { defineModule, type Module } from './hooks/define.js';
export type * from './hooks/types.js';
export {
  type CloseOptions,
  type DataProducer,
  type OpenProducerOptions,
  openProducer,
  type ProducerObstacle,
  type ProducerPoint,
} from './producer/producer.js';
export { ApplicationError, type ErrorCode } from './runtime/errors.js';
