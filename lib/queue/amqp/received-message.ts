/**
 * What the properties of a message say about its identity. Our own messages are marked, so that their ids are taken as they are;
 * any other id is trusted only in the form of a uuid4, as DP3 draws them, or else says something together with the body alone
 * (wire.md, Properties).
 */
import type { ConsumeMessage } from 'amqplib';
import { deliveryIdOf } from '../../model/task-id.js';
import type { QueueMessage } from '../delivery.js';
import { floorOf } from './floors.js';

/** The property `appId` of every message this program sends. */
export const OWN_APP_ID = 'dp3-cluster';

/** `delivery-mode` of a message that outlives a restart of the broker (AMQP 0-9-1). */
const PERSISTENT = 2;

/** A message of a broker. Its id is the same at every delivery; one that lacks an id is known by its body alone. */
export function receivedMessage<Origin>(
  { properties, content, fields }: ConsumeMessage,
  origin: Origin,
): QueueMessage<Origin> {
  const own = properties.appId === OWN_APP_ID;
  const messageId: unknown = properties.messageId;
  const lacksId = typeof messageId !== 'string' || messageId === '';
  return {
    id: own && !lacksId ? messageId : deliveryIdOf(lacksId ? undefined : messageId, content),
    lacksId,
    own,
    floor: own && !lacksId ? floorOf(properties.correlationId) : null,
    body: content,
    redelivered: fields.redelivered,
    // The broker delivers a settled message again where its acknowledgement was lost.
    deduplicated: false,
    origin,
    position: fields.deliveryTag,
  };
}

/** True where a restart of the broker loses the message from a classic queue; DP3 sends such messages. */
export function isTransient({ properties }: ConsumeMessage): boolean {
  return properties.deliveryMode !== PERSISTENT;
}
