package auth

import "crypto/ed25519"

// Signing gives the key that signs now, for tests that forge tokens.
func (k *Keys) Signing() (id string, private ed25519.PrivateKey) {
	key := k.signing(k.clock.Now())
	return key.public.KeyID, key.private
}
