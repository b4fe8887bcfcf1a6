import { connection } from 'next/server';
import { Chat } from './chat';
import { memoryOfUser } from './memory';

export default async function Page({ searchParams }: { searchParams: Promise<{ thread?: string }> }) {
  await connection(); // read the setting and the session for each request, not during the build
  const { store } = await memoryOfUser();
  // An app stores the ids of its conversations. This example has one id in the URL.
  const { thread = 'example' } = await searchParams;
  return <Chat id={thread} messages={await store.load(thread)} />;
}
