package auth

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// keyDir is the directory of signing keys, one file each, numbered in the order
// they were made. A number is taken by whoever links its file first, so that
// processes which share the directory agree without talking to each other.
type keyDir string

const (
	keyPrefix = "signing-"
	keySuffix = ".json"
)

// signingKey is a key that signs from an instant on.
type signingKey struct {
	number    int
	private   ed25519.PrivateKey
	public    JWK
	signsFrom time.Time
}

// keyFile is a signing key as it is kept: a private JWK (RFC 8037 §2) and when
// it begins to sign.
type keyFile struct {
	JWK
	D         string    `json:"d"`
	SignsFrom time.Time `json:"signs_from"`
}

func (d keyDir) path(number int) string {
	return filepath.Join(string(d), fmt.Sprintf("%s%06d%s", keyPrefix, number, keySuffix))
}

// load reads every key, the oldest first.
func (d keyDir) load() ([]signingKey, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	var keys []signingKey
	for _, entry := range entries {
		digits, isKey := strings.CutPrefix(strings.TrimSuffix(entry.Name(), keySuffix), keyPrefix)
		number, err := strconv.Atoi(digits)
		if !isKey || err != nil || filepath.Base(d.path(number)) != entry.Name() {
			continue
		}
		key, err := d.read(number)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process retired it meanwhile
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b signingKey) int { return a.number - b.number })
	return keys, nil
}

func (d keyDir) read(number int) (signingKey, error) {
	text, err := os.ReadFile(d.path(number))
	if err != nil {
		return signingKey{}, fmt.Errorf("read signing key: %w", err)
	}
	var f keyFile
	if err := json.Unmarshal(text, &f); err != nil {
		return signingKey{}, fmt.Errorf("signing key %s cannot be read; restore the file, or delete it to be without the key: %w", d.path(number), err)
	}
	seed, err := base64.RawURLEncoding.DecodeString(f.D)
	if err != nil || len(seed) != ed25519.SeedSize {
		return signingKey{}, fmt.Errorf("signing key %s holds no Ed25519 key; restore the file, or delete it to be without the key", d.path(number))
	}
	return newSigningKey(number, seed, f.SignsFrom), nil
}

func newSigningKey(number int, seed []byte, signsFrom time.Time) signingKey {
	private := ed25519.NewKeyFromSeed(seed)
	return signingKey{number, private, newJWK(private.Public().(ed25519.PublicKey)), signsFrom}
}

// add keeps a key under its number, whole or not at all. When another process
// has taken the number, that is no error: its key holds.
func (d keyDir) add(key signingKey) (err error) {
	text, err := json.Marshal(keyFile{key.public, base64.RawURLEncoding.EncodeToString(key.private.Seed()), key.signsFrom}, jsontext.Multiline(true))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make the directory of signing keys: %w", err)
	}
	// CreateTemp makes the file readable by its owner alone.
	temp, err := os.CreateTemp(string(d), ".new-*")
	if err != nil {
		return fmt.Errorf("keep signing key: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(temp.Name())) }()
	_, err = temp.Write(append(bytes.TrimSpace(text), '\n'))
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("keep signing key: %w", err)
	}
	// A link, unlike a rename, does not replace what is there.
	if err := os.Link(temp.Name(), d.path(key.number)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep signing key: %w", err)
	}
	return d.sync()
}

// remove forgets a key.
func (d keyDir) remove(number int) error {
	err := os.Remove(d.path(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync makes names in the directory outlive a power cut, where the system can.
func (d keyDir) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	syncErr := f.Sync()
	if errors.Is(syncErr, errors.ErrUnsupported) || errors.Is(syncErr, fs.ErrInvalid) {
		syncErr = nil
	}
	return errors.Join(syncErr, f.Close())
}
