package broker

import "net/url"

// Redacted gives the servers that nats.url names, without passwords.
func (c *Config) Redacted() string {
	var all string
	for i, text := range c.urls() {
		if i > 0 {
			all += ", "
		}
		u, err := url.Parse(text)
		if err != nil {
			continue // Validate refuses it
		}
		all += u.Redacted()
	}
	return all
}
