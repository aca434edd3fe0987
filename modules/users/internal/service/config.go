package service

import (
	"net/url"
	"strings"

	"stoa/platform/config"
)

// Config is the section "users" of the configuration.
type Config struct {
	ResetURL string `koanf:"reset_url" usage:"page of the shop that takes a reset token, with {token} in it; empty mails the token alone"`
}

// tokenPlace is where a reset token goes in Config.ResetURL.
const tokenPlace = "{token}"

// Validate says what will not do.
func (c *Config) Validate() error {
	if c.ResetURL == "" {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(c.ResetURL, tokenPlace, "token"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || !strings.Contains(c.ResetURL, tokenPlace) {
		return config.BadValue("reset_url", "must be an address with %s in it, such as https://shop.example/reset?token=%s", tokenPlace, tokenPlace)
	}
	return nil
}
