// The job with net/http, and x/time/rate in front of it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

type page struct {
	Results []map[string]any `json:"results"`
}

// What one page brought.
type result struct {
	body []byte
	page page
}

type fetcher struct {
	client  *http.Client
	limiter *rate.Limiter
	url     string
	parses  bool
}

func (f *fetcher) fetch(number int) (result, error) {
	if err := f.limiter.Wait(context.Background()); err != nil {
		return result{}, err
	}
	response, err := f.client.Get(f.url + "?page=" + strconv.Itoa(number))
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return result{}, fmt.Errorf("status %d", response.StatusCode)
	}
	got := result{}
	if got.body, err = io.ReadAll(response.Body); err == nil && f.parses {
		err = json.Unmarshal(got.body, &got.page)
	}
	return got, err
}

// run gives the pages to as many goroutines as requests may be in flight and takes what they
// bring.
func run(f *fetcher, pages, inFlight int, take func(result) error) error {
	numbers := make(chan int, 64)
	results := make(chan result, inFlight)
	go func() {
		defer close(numbers)
		for number := 0; number < pages; number++ {
			numbers <- number
		}
	}()
	var workers sync.WaitGroup
	for i := 0; i < inFlight; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := range numbers {
				got, err := f.fetch(number)
				if err != nil {
					log.Fatal(err)
				}
				results <- got
			}
		}()
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for got := range results {
		if err := take(got); err != nil {
			return err
		}
	}
	return nil
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// Not Getrusage's Maxrss, in which the process that started this one has a part.
func peakRSS() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	size := 0
	if at := bytes.Index(status, []byte("VmHWM:")); at >= 0 {
		fmt.Sscanf(string(status[at:]), "VmHWM: %d", &size)
	}
	return size
}

func main() {
	url := flag.String("url", "", "page to fetch again and again")
	pages := flag.Int("pages", 1000, "how many")
	inFlight := flag.Int("in-flight", 16, "requests at once")
	job := flag.String("job", "fetch", "fetch, parse or ndjson")
	output := flag.String("output", "/dev/null", "where the records of the job ndjson go")
	flag.Parse()

	file, err := os.Create(*output)
	if err != nil {
		log.Fatal(err)
	}
	writer := bufio.NewWriter(file)
	encoder := json.NewEncoder(writer)
	done, records, size := 0, 0, 0
	take := func(got result) error {
		done++
		size += len(got.body)
		records += len(got.page.Results)
		if *job == "ndjson" {
			for _, record := range got.page.Results {
				if err := encoder.Encode(record); err != nil {
					return err
				}
			}
		}
		return nil
	}
	f := &fetcher{
		client: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: *inFlight},
		},
		limiter: rate.NewLimiter(1e9, 1e9),
		url:     *url,
		parses:  *job != "fetch",
	}

	began, cpu := time.Now(), cpuSeconds()
	if err := run(f, *pages, *inFlight, take); err != nil {
		log.Fatal(err)
	}
	if err := writer.Flush(); err != nil {
		log.Fatal(err)
	}
	line := map[string]any{
		"cpu_seconds":  cpuSeconds() - cpu,
		"wall_seconds": time.Since(began).Seconds(),
		"pages":        done,
		"records":      records,
		"bytes":        size,
		"peak_rss_kib": peakRSS(),
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		log.Fatal(err)
	}
}
