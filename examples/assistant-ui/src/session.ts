// Replace these functions by the library of your identity provider, which signs the user in in the browser.

/** Returns the id of the signed-in user. */
export function currentUser(): string {
  return sessionStorage.getItem('user') ?? 'ada';
}

/** Returns the access token of the signed-in user, or null if the API needs none. */
export async function accessToken(): Promise<string | null> {
  return sessionStorage.getItem('token');
}
