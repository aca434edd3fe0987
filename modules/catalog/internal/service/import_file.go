package service

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"

	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
)

const (
	// chunkSize is how much of a file is stored and read at a time, in bytes.
	chunkSize = 1 << 20
	// chunksDropped is how many pieces one transaction drops.
	chunksDropped = 16
)

// errFileGone says that the file of an import is not there.
var errFileGone = errors.New("the file is gone")

// storeFile stores the file of an import, in little memory; where that fails,
// nothing of it stays.
func (s *Service) storeFile(ctx context.Context, id string, from io.Reader) error {
	buffer := make([]byte, chunkSize)
	for position := int64(0); ; position++ {
		n, readErr := io.ReadFull(from, buffer)
		last := errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF)
		err := readErr
		if last || err == nil {
			err = ctx.Err()
		}
		if err == nil && (n > 0 || position == 0) {
			err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return store.AddChunk(ctx, tx, id, position, buffer[:n]) })
		}
		switch {
		case err != nil:
			return errors.Join(err, s.dropFile(context.WithoutCancel(ctx), id))
		case last:
			return nil
		}
	}
}

// storedFile reads the file of an import.
type storedFile struct {
	ctx      context.Context
	from     db.Conn
	id       string
	position int64
	rest     []byte
}

func (s *Service) openFile(ctx context.Context, id string) io.Reader {
	return &storedFile{ctx: ctx, from: s.db.Read(), id: id}
}

// Read gives what comes next. Errors: errFileGone.
func (f *storedFile) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		chunk, ok, err := store.GetChunk(f.ctx, f.from, f.id, f.position)
		switch {
		case err != nil:
			return 0, err
		case !ok && f.position == 0:
			return 0, errFileGone
		case len(chunk) == 0:
			return 0, io.EOF
		}
		f.position++
		f.rest = chunk
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (s *Service) dropFile(ctx context.Context, id string) error {
	for more := true; more; {
		if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			more, err = store.DropChunks(ctx, tx, id, chunksDropped)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// removeFile removes the file of an import that is over. What cannot be removed
// now is when the shop starts again.
func (s *Service) removeFile(ctx context.Context, i store.Import) {
	if err := s.dropFile(ctx, i.ID); err != nil {
		s.log.WarnContext(ctx, "the file of an import is not removed", "import", i.ID, "error", err)
	}
}

// uploadTime is for how long a file may be on its way here at most.
const uploadTime = time.Hour

// sweepFiles removes files that no import is made of: where the process ended
// between the one and the other.
func (s *Service) sweepFiles(ctx context.Context) error {
	stray, err := store.StrayFiles(ctx, s.db.Read())
	if err != nil {
		return err
	}
	var failed error
	for _, name := range stray {
		id, err := uuid.Parse(name)
		if err != nil {
			continue
		}
		// A file that is arriving has no import yet; its name tells since when.
		seconds, nanoseconds := id.Time().UnixTime()
		if s.clock.Now().Sub(time.Unix(seconds, nanoseconds)) > uploadTime {
			failed = errors.Join(failed, s.dropFile(ctx, name))
		}
	}
	return failed
}
