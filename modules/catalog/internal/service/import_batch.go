package service

import (
	"sync"
	"sync/atomic"

	"stoa/modules/catalog/internal/format"
)

const (
	// batchProducts is how many products one transaction imports where others
	// wait to write: so long do they wait, some hundredths of a second.
	batchProducts = 200
	// batchMost is how many it imports at once where nobody does, and together how
	// many such batches one transaction has at most, which ends as soon as somebody
	// waits: what many products share, such as the pages of an index, is written
	// less often.
	batchMost = 8 * batchProducts
	together  = 6
	// batchVariants and batchBytes bound the same for products that are large, for
	// each of batchProducts.
	batchVariants = 1000
	batchBytes    = 1 << 20
)

// batch is some products of a file that are imported at once.
type batch struct {
	reader  *format.Reader
	mode    string
	records []format.Record
	rows    int64
	claims  *claims
}

// readBatch reads the next products, at most so many. Those before an error are
// in the batch.
func readBatch(reader *format.Reader, products int) (*batch, error) {
	b := &batch{reader: reader}
	part := products / batchProducts
	variants, bytes := 0, 0
	for len(b.records) < products && variants < part*batchVariants && bytes < part*batchBytes {
		record, err := reader.Next()
		if err != nil {
			return b, err
		}
		b.records = append(b.records, record)
		b.rows += int64(record.Rows)
		variants += len(record.Product.Variants)
		bytes += len(record.Product.Description) + 256*len(record.Product.Images)
	}
	return b, nil
}

// ahead reads the next batch of a file while one is written.
type ahead struct {
	size  atomic.Int64 // of the next batch, in products
	reads chan read
	ended chan struct{}
	all   sync.WaitGroup
}

type read struct {
	batch *batch
	err   error
}

func readAhead(reader *format.Reader) *ahead {
	a := &ahead{reads: make(chan read), ended: make(chan struct{})}
	a.size.Store(batchProducts)
	a.all.Go(func() {
		for {
			b, err := readBatch(reader, int(a.size.Load()))
			select {
			case a.reads <- read{b, err}:
			case <-a.ended:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return a
}

// next gives the next products; those before an error are in the batch.
func (a *ahead) next() read { return <-a.reads }

// ready is next where they have been read; false where they have not.
func (a *ahead) ready() (r read, some bool) {
	select {
	case r = <-a.reads:
		return r, true
	default:
		return read{}, false
	}
}

// adapt has batches grow where nobody waits for the end of one, and be small
// again where somebody does.
func (a *ahead) adapt(awaited bool) {
	if awaited {
		a.size.Store(batchProducts)
	} else {
		a.size.Store(min(2*a.size.Load(), batchMost))
	}
}

// grown tells whether batches are as large as they become.
func (a *ahead) grown() bool { return a.size.Load() == batchMost }

func (a *ahead) stop() {
	close(a.ended)
	a.all.Wait()
}
