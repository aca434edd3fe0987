package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"stoa/platform/clock"
)

// SMTP is a Sender that hands each message to a mail server over a connection of
// its own (RFC 5321). It is safe for concurrent use.
type SMTP struct {
	cfg   SMTPConfig
	from  *mail.Address
	clock clock.Clock
	tls   *tls.Config
}

// NewSMTP makes a Sender that sends from cfg.From through cfg.SMTP. Its error
// is a value of the configuration; whether the server is there, it does not ask.
func NewSMTP(cfg Config, c clock.Clock) (*SMTP, error) {
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail.from: %w", err)
	}
	s := &SMTP{cfg: cfg.SMTP, from: from, clock: c, tls: &tls.Config{ServerName: cfg.SMTP.Host, MinVersion: tls.VersionTLS12}}
	if cfg.SMTP.CAFile == "" {
		return s, nil
	}
	certificates, err := os.ReadFile(cfg.SMTP.CAFile)
	if err != nil {
		return nil, fmt.Errorf("mail.smtp.ca_file: %w", err)
	}
	if s.tls.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read the machine's certificates: %w", err)
	}
	if !s.tls.RootCAs.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("mail.smtp.ca_file: %s holds no certificate", cfg.SMTP.CAFile)
	}
	return s, nil
}

// Send gives the message to the server and waits until it has taken it.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	m, err := m.Check()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	message, err := s.compose(m)
	if err != nil {
		return err
	}
	dialled := &dialled{ctx: ctx, tls: s.tls, implicit: s.cfg.TLS == TLSImplicit}
	defer dialled.close()
	client, err := s.client(dialled)
	if err != nil {
		return fmt.Errorf("set up the mail client: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	switch refused := (*gomail.SendError)(nil); {
	case message.IsDelivered():
		return nil // whatever went wrong with saying goodbye
	case errors.As(err, &refused) && permanent(refused):
		return ErrRejected.Because(err)
	default:
		return ErrNotSent.Because(errors.Join(context.Cause(ctx), err))
	}
}

// permanent reports whether the server refused this recipient or message for
// good. That it refuses us, who sign in and send, is for somebody to put right,
// and then the message can be sent.
func permanent(e *gomail.SendError) bool {
	switch e.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return e.ErrorCode() >= 500
	default:
		return false
	}
}

// compose makes the mail (RFC 5322): headers are encoded (RFC 2047), the body is
// quoted-printable.
func (s *SMTP) compose(m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(s.from)
	if err := message.To(m.To); err != nil {
		return nil, ErrBadAddress.Because(err)
	}
	message.Subject(m.Subject)
	message.SetDateWithValue(s.clock.Now())
	domain := s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
	message.SetMessageIDWithValue(s.clock.ID() + "@" + domain)
	// RFC 3834 §5: so that nobody's holiday notice answers.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	return message, nil
}

// client makes a client for one message; it keeps state of its connection.
func (s *SMTP) client(d *dialled) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.cfg.Port),
		gomail.WithTimeout(s.cfg.Timeout),
		gomail.WithTLSConfig(s.tls),
		gomail.WithDialContextFunc(d.dial),
		gomail.WithoutNoop(),
	}
	switch s.cfg.TLS {
	case TLSImplicit:
		options = append(options, gomail.WithSSL())
	case TLSNone:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.cfg.Username != "" {
		options = append(options,
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
			gomail.WithUsername(s.cfg.Username), gomail.WithPassword(s.cfg.Password))
	}
	return gomail.NewClient(s.cfg.Host, options...)
}

// dialled is the connection of one message. It closes with the context of the
// message, which the client minds only while it dials, and in any case, also
// where the client fails and leaves it open.
type dialled struct {
	ctx      context.Context // of the one Send that it serves
	tls      *tls.Config
	implicit bool

	conn net.Conn
	stop func() bool
}

func (d *dialled) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.conn = conn
	d.stop = context.AfterFunc(d.ctx, func() { _ = conn.Close() })
	if !d.implicit {
		return conn, nil
	}
	encrypted := tls.Client(conn, d.tls)
	return encrypted, encrypted.HandshakeContext(ctx)
}

func (d *dialled) close() {
	if d.conn != nil {
		d.stop()
		_ = d.conn.Close()
	}
}
