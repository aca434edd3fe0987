// Package mail is the port through which modules write to people. Which sender
// stands behind it is configuration: Log writes messages into the log, for
// development, SMTP sends them.
//
// Modules import it for Message and Sender; their tests use mailtest. It keeps
// no queue and tries nothing twice: who must not lose a message sends it from
// something durable, and again where the error is temporary.
package mail

import (
	"context"
	"log/slog"
	"net/mail"
	"strings"
	"unicode"

	"stoa/platform/clock"
	"stoa/platform/errs"
)

// Message is a plain text e-mail.
type Message struct {
	// To is one address, without a name: ann@example.com.
	To string
	// Subject is one line; control characters in it become spaces.
	Subject string
	// Text is the body, in UTF-8, with lines of any length.
	Text string
}

// Sender sends messages. Errors: ErrBadAddress, ErrRejected, ErrNotSent, of
// which only the last is temporary.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// What a Sender answers.
var (
	// ErrBadAddress: To is no address.
	ErrBadAddress = errs.New(errs.Invalid, "mail.bad_address", "this is not an e-mail address")
	// ErrRejected: the server took neither this message nor will it later.
	ErrRejected = errs.New(errs.Invalid, "mail.rejected", "the message was rejected")
	// ErrNotSent: the message did not leave, or it is not known whether it did.
	ErrNotSent = errs.New(errs.Unavailable, "mail.not_sent", "the message could not be sent")
)

// New makes the sender that the configuration names.
func New(cfg Config, c clock.Clock, log *slog.Logger) (Sender, error) {
	if cfg.Driver == DriverSMTP {
		return NewSMTP(cfg, c)
	}
	return NewLog(log), nil
}

// Check gives the message as it is sent, or ErrBadAddress. Every Sender calls
// it first.
func (m Message) Check() (Message, error) {
	a, err := mail.ParseAddress(m.To)
	if err != nil || a.Name != "" || strings.ContainsFunc(m.To, unicode.IsControl) || strings.ContainsAny(m.To, "<>") {
		return Message{}, ErrBadAddress.With("%.100q is not an e-mail address", m.To)
	}
	m.Subject = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, m.Subject)
	return m, nil
}

// Log is a Sender that writes messages into the log. They hold what they would
// have told only the reader, links to reset a password included: it is for
// development.
type Log struct{ log *slog.Logger }

// NewLog makes a Sender that writes into log.
func NewLog(log *slog.Logger) *Log { return &Log{log} }

// Send writes the message as one record.
func (l *Log) Send(ctx context.Context, m Message) error {
	m, err := m.Check()
	if err != nil {
		return err
	}
	l.log.InfoContext(ctx, "mail", "to", m.To, "subject", m.Subject, "text", m.Text)
	return nil
}
