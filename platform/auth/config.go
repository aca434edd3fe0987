package auth

import (
	"errors"
	"time"
)

// Config is the section "auth" of the configuration. Every process needs the
// issuer and the audience; the rest is read where tokens are issued.
type Config struct {
	Issuer        string        `koanf:"issuer" usage:"who issues access tokens: their claim iss"`
	Audience      string        `koanf:"audience" usage:"who access tokens are for: their claim aud"`
	AccessTTL     time.Duration `koanf:"access_ttl" usage:"how long an access token is good for"`
	RefreshTTL    time.Duration `koanf:"refresh_ttl" usage:"how long a refresh token is good for when it is not used"`
	RefreshLeeway time.Duration `koanf:"refresh_leeway" usage:"how long a spent refresh token is refused without ending its session"`
	KeysDir       string        `koanf:"keys_dir" usage:"directory of the signing keys, shared by all that issue tokens; empty is keys in data.dir"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Issuer:     "stoa",
		Audience:   "stoa",
		AccessTTL:  15 * time.Minute,
		RefreshTTL: 30 * 24 * time.Hour,
	}
}

// maxAccessTTL bounds how long a revocation has to be remembered.
const maxAccessTTL = 24 * time.Hour

// Validate says what will not do.
func (c *Config) Validate() error {
	var bad []error
	if c.Issuer == "" || c.Audience == "" {
		bad = append(bad, errors.New("auth.issuer and auth.audience must not be empty"))
	}
	if c.AccessTTL < time.Second || c.AccessTTL > maxAccessTTL {
		bad = append(bad, errors.New("auth.access_ttl must be from 1s to 24h"))
	}
	if c.RefreshTTL < c.AccessTTL {
		bad = append(bad, errors.New("auth.refresh_ttl must not be shorter than auth.access_ttl"))
	}
	if c.RefreshLeeway < 0 || c.RefreshLeeway > time.Minute {
		bad = append(bad, errors.New("auth.refresh_leeway must be from 0s to 1m"))
	}
	return errors.Join(bad...)
}
