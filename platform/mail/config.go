package mail

import (
	"errors"
	"net/mail"
	"time"

	"stoa/platform/config"
)

// What the configuration may say.
const (
	DriverLog  = "log"
	DriverSMTP = "smtp"

	TLSNone     = "none"
	TLSStartTLS = "starttls"
	TLSImplicit = "tls"
)

// Config is the section "mail" of the configuration.
type Config struct {
	Driver string     `koanf:"driver" allowed:"log|smtp" usage:"where mail goes: into the log, or to a mail server"`
	From   string     `koanf:"from" usage:"sender, such as Stoa <shop@example.com>"`
	SMTP   SMTPConfig `koanf:"smtp"`
}

// SMTPConfig is the mail server.
type SMTPConfig struct {
	Host     string        `koanf:"host" usage:"name of the mail server"`
	Port     int           `koanf:"port" min:"1" max:"65535" usage:"port of the mail server: usually 587 with starttls, 465 with tls"`
	Username string        `koanf:"username" usage:"who signs in at the mail server; empty is nobody"`
	Password string        `koanf:"password" secret:"true" usage:"password of that user"`
	TLS      string        `koanf:"tls" allowed:"starttls|tls|none" usage:"encryption: after hello, from the start, or none"`
	CAFile   string        `koanf:"ca_file" usage:"file of certificates (PEM) to trust besides the machine's"`
	Timeout  time.Duration `koanf:"timeout" min:"1s" usage:"how long sending one message may take"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Driver: DriverLog,
		From:   "Stoa <stoa@localhost>",
		SMTP:   SMTPConfig{Port: 587, TLS: TLSStartTLS, Timeout: 10 * time.Second},
	}
}

// Validate says what will not do.
func (c *Config) Validate() error {
	if c.Driver != DriverSMTP {
		return nil
	}
	var bad []error
	if _, err := mail.ParseAddress(c.From); err != nil {
		bad = append(bad, config.BadValue("from", "%q is no sender such as \"Stoa <shop@example.com>\"", c.From))
	}
	if c.SMTP.Host == "" {
		bad = append(bad, config.BadValue("smtp.host", "is empty; mail.driver smtp needs a server"))
	}
	if c.SMTP.Username != "" && c.SMTP.TLS == TLSNone {
		bad = append(bad, config.BadValue("smtp.tls", "none would send the password in the clear: choose starttls or tls, or leave mail.smtp.username empty"))
	}
	return errors.Join(bad...)
}
