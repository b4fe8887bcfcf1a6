import { UIMessageStore, type Connection } from '@hybrid-memory/react/ai-sdk-server';
import 'server-only';
import { accessToken, currentUser } from './session';

/** Returns how to reach the API as the signed-in user, and this user's store of messages. */
export async function memoryOfUser() {
  const baseUrl = process.env.MEMORY_API;
  if (!baseUrl) throw new Error('Set MEMORY_API to the URL of the API.');
  const token = await accessToken();
  const userId = await currentUser();
  const connection: Connection = { baseUrl, ...(token !== null && { headers: { Authorization: `Bearer ${token}` } }) };
  return { connection, userId, store: new UIMessageStore({ ...connection, userId }) };
}
