package auth

import (
	"errors"
	"time"

	"stoa/platform/config"
)

// Config is the section "auth" of the configuration. Every process needs the
// issuer and the audience; the rest is read where tokens are issued.
type Config struct {
	Issuer        string        `koanf:"issuer" usage:"who issues access tokens: their claim iss"`
	Audience      string        `koanf:"audience" usage:"who access tokens are for: their claim aud"`
	AccessTTL     time.Duration `koanf:"access_ttl" min:"1s" max:"24h" usage:"how long an access token is good for"`
	RefreshTTL    time.Duration `koanf:"refresh_ttl" usage:"how long a refresh token is good for when it is not used"`
	RefreshLeeway time.Duration `koanf:"refresh_leeway" max:"1m" usage:"how long a spent refresh token is refused without ending its session"`
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

// Validate says what will not do.
func (c *Config) Validate() error {
	var bad []error
	if c.Issuer == "" {
		bad = append(bad, config.BadValue("issuer", "must not be empty"))
	}
	if c.Audience == "" {
		bad = append(bad, config.BadValue("audience", "must not be empty"))
	}
	if c.RefreshTTL < c.AccessTTL {
		bad = append(bad, config.BadValue("refresh_ttl", "must not be shorter than access_ttl"))
	}
	return errors.Join(bad...)
}
