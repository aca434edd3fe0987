package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// exportTimeout bounds one delivery to the collector with its repetitions, and
	// the last one at the end.
	exportTimeout = 5 * time.Second
	// Pauses before a delivery is repeated, doubling.
	firstExportPause, longestExportPause = 100 * time.Millisecond, 2 * time.Second
	// answerLimit is how much of the collector's answer is read, in bytes.
	answerLimit = 64 << 10
)

// collector delivers spans by OTLP over HTTP in binary Protobuf
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp). The exporter of
// OpenTelemetry itself does the same and links gRPC with it, which made the
// binary larger by a fifth.
type collector struct {
	endpoint string
	header   http.Header
	client   http.Client
	retry    failsafe.Executor[any]
}

func newCollector(endpoint string, header http.Header) *collector {
	policy := retrypolicy.NewBuilder[any]().
		HandleErrors(errTryAgain).
		WithBackoff(firstExportPause, longestExportPause).
		WithJitterFactor(0.2).
		WithMaxRetries(-1). // until the time is up
		WithMaxDuration(exportTimeout).
		ReturnLastFailure().
		Build()
	return &collector{endpoint: endpoint, header: header, retry: failsafe.With[any](policy)}
}

// errTryAgain is what may pass: a collector that is away or busy.
var errTryAgain = errors.New("the collector cannot take traces now")

// Start is otlptrace.Client's: there is nothing to do.
func (c *collector) Start(context.Context) error { return nil }

// Stop lets go of connections.
func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces delivers spans. A message of TracesData has on the wire the form of
// the ExportTraceServiceRequest that the collector expects.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	return c.retry.WithContext(ctx).Run(func() error { return c.post(ctx, body) })
}

func (c *collector) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errTryAgain, err)
	}
	defer func() { _ = answer.Body.Close() }()                           // it is read
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerLimit)) // the status says what became of it
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%w: it answered %s", errTryAgain, answer.Status)
	}
	return fmt.Errorf("the collector answered %s", answer.Status)
}
