import { connection } from 'next/server';
import { Chat } from './chat';
import { accessToken, currentUser } from './session';

export default async function Page() {
  await connection(); // read the setting and the session for each request, not during the build
  const api = process.env.MEMORY_API;
  if (!api) throw new Error('Set MEMORY_API to the URL of the API.');

  async function token() {
    'use server';
    return accessToken();
  }
  return <Chat api={api} userId={await currentUser()} token={token} />;
}
