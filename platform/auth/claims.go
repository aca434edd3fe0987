package auth

import (
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// header is all that the header of an access token may hold. Whatever else
// stands there (a key or where to fetch one: jku, jwk, x5u, x5c; an extension
// that must be understood: crit; RFC 7515 §4.1) makes the token none of ours.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

func parseHeader(text []byte) (header, error) {
	var h header
	err := json.Unmarshal(text, &h, json.RejectUnknownMembers(true))
	return h, err
}

// claims is what an access token says.
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	Session   string   `json:"sid"`
	Roles     []string `json:"roles"`
	Epoch     int64    `json:"epoch"`
	IssuedAt  *int64   `json:"iat"` // seconds since 1970, as all three
	NotBefore *int64   `json:"nbf"`
	Expires   *int64   `json:"exp"`
	ID        string   `json:"jti"`
}

// UnmarshalJSON reads claims strictly: a name that stands there twice, invalid
// UTF-8 or a value of another type is an error.
func (c *claims) UnmarshalJSON(text []byte) error {
	type plain claims
	return json.Unmarshal(text, (*plain)(c))
}

// Validate says what is missing that every token of ours has.
func (c *claims) Validate() error {
	if c.Subject == "" || c.Session == "" || c.ID == "" || c.IssuedAt == nil || c.NotBefore == nil || len(c.Roles) == 0 || slices.Contains(c.Roles, "") {
		return errors.New("a claim is missing")
	}
	return nil
}

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.Expires), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return date(c.NotBefore), nil }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }

func seconds(t time.Time) *int64 {
	s := t.Unix()
	return &s
}

func date(s *int64) *jwt.NumericDate {
	if s == nil {
		return nil
	}
	return jwt.NewNumericDate(time.Unix(*s, 0))
}
