// Package s3blob opens buckets of Amazon S3 and of the many servers that speak
// its protocol. It alone imports the AWS SDK; what lies in a bucket is package
// blob's business.
package s3blob

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	gcs3blob "gocloud.dev/blob/s3blob"

	"terrarium/internal/dial"
	"terrarium/internal/errs"
)

// Bucket is an open bucket.
type Bucket struct {
	*blob.Bucket
}

// metadata are the addresses at which Amazon's machines are given their
// credentials. They are link-local, and only the SDK asks there.
var metadata = []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "169.254.170.2:80", "169.254.170.23:80", "[fd00:ec2::23]:80"}

// Open opens the bucket of a URL s3://BUCKET?endpoint=…&region=…&use_path_style=true.
// Without endpoint it is Amazon's. An endpoint without a scheme is taken as
// https. Credentials come from where the SDK looks for them. It asks nothing of
// the bucket yet. A URL with a fault is errs.Invalid.
func Open(ctx context.Context, address string, dialer *dial.Dialer) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, invalid("The address of the package store is not of the form s3://BUCKET?endpoint=…&region=….")
	}
	query := u.Query()
	for name := range query {
		if !slices.Contains([]string{"endpoint", "region", "use_path_style"}, name) {
			return nil, invalid("The address of the package store has an unknown part %q. Known are endpoint, region and use_path_style.", name)
		}
	}
	pathStyle := false
	if text := query.Get("use_path_style"); text != "" {
		if pathStyle, err = strconv.ParseBool(text); err != nil {
			return nil, invalid("use_path_style in the address of the package store is %q; it can be true or false.", text)
		}
	}
	allowed := metadata
	endpoint := query.Get("endpoint")
	if endpoint != "" {
		if !strings.Contains(endpoint, "://") {
			endpoint = "https://" + endpoint
		}
		e, err := url.Parse(endpoint)
		if err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https" {
			return nil, invalid("The endpoint %q of the package store is no http or https address.", endpoint)
		}
		port := e.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[e.Scheme]
		}
		// Where the bucket is not part of the path it is part of the host.
		for _, host := range []string{e.Hostname(), u.Host + "." + e.Hostname()} {
			allowed = append(slices.Clip(allowed), hostPort(host, port))
		}
	}

	// The SDK's own kind of client: it can be given the certificates of
	// AWS_CA_BUNDLE, a plain one cannot.
	httpClient := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = dialer.Allowing(allowed...).DialContext
		t.Proxy = nil // it would look names up behind the dialer's back
	})
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(httpClient)}
	if region := query.Get("region"); region != "" {
		load = append(load, config.WithRegion(region))
	} else if endpoint != "" {
		load = append(load, config.WithDefaultRegion("us-east-1"))
	}
	options := &gcs3blob.Options{}
	if endpoint != "" {
		// Amazon's newer checksums are beyond most other servers.
		load = append(load,
			config.WithBaseEndpoint(endpoint),
			config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
			config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired))
		options.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The settings for S3 in the environment cannot be read.").On("blobs")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = pathStyle })
	bucket, err := gcs3blob.OpenBucket(ctx, client, u.Host, options)
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", u.Host, err)
	}
	return &Bucket{bucket}, nil
}

func hostPort(host, port string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

func invalid(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).On("blobs")
}

// Presign makes a URL that reads the object key for a while. disposition and
// contentType, where not empty, become headers of the answer.
func (b *Bucket) Presign(ctx context.Context, key string, expires time.Duration, disposition, contentType string) (string, error) {
	return b.SignedURL(ctx, key, &blob.SignedURLOptions{
		Expiry: expires,
		BeforeSign: func(as func(any) bool) error {
			var in *s3.GetObjectInput
			if !as(&in) {
				return fmt.Errorf("presign: the request is no GetObject")
			}
			if disposition != "" {
				in.ResponseContentDisposition = &disposition
			}
			if contentType != "" {
				in.ResponseContentType = &contentType
			}
			return nil
		},
	})
}
