package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// JWKS is a set of public keys (RFC 7517 §5).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWK is one public key: Ed25519, for signatures (RFC 8037 §2).
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	X         string `json:"x"`
}

func newJWK(key ed25519.PublicKey) JWK {
	x := base64.RawURLEncoding.EncodeToString(key)
	return JWK{KeyType: "OKP", Curve: "Ed25519", KeyID: thumbprint(x), Use: "sig", Algorithm: algorithm, X: x}
}

// publicKey gives the key itself.
func (k JWK) publicKey() (ed25519.PublicKey, error) {
	if k.KeyType != "OKP" || k.Curve != "Ed25519" || k.KeyID == "" {
		return nil, fmt.Errorf("key %q is no Ed25519 key with an id", k.KeyID)
	}
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("key %q has a malformed public part", k.KeyID)
	}
	return x, nil
}

// thumbprint names a key by what it is (RFC 7638 §3, members of RFC 8037 §2).
func thumbprint(x string) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
