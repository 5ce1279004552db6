// The other implementation: grpc-go as client and as server of the same service, without proto files.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const large = 64 << 20

// A codec whose messages are bytes.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) { return *(v.(*[]byte)), nil }

func (raw) Unmarshal(data []byte, v any) error {
	*(v.(*[]byte)) = append([]byte(nil), data...)
	return nil
}

func main() {
	encoding.RegisterCodec(raw{})
	target := flag.String("target", "", "address to run the calls against; none: serve")
	authority := flag.String("authority", "", "name of the service's host")
	ca := flag.String("ca", "", "file with the authority of the certificate; none: in cleartext")
	flag.Parse()
	if *target == "" {
		serve()
		return
	}
	creds := insecure.NewCredentials()
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		creds = credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: *authority})
	}
	conn, err := grpc.NewClient("passthrough:///"+*target, grpc.WithTransportCredentials(creds), grpc.WithAuthority(*authority),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(large), grpc.MaxCallSendMsgSize(large)))
	check(err)
	defer conn.Close()
	calls(conn)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ── server ────────────────────────────────────────────────────────────────────────────────────────────────

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	stream := func(name string, handler grpc.StreamHandler) grpc.StreamDesc {
		return grpc.StreamDesc{StreamName: name, Handler: handler, ServerStreams: true, ClientStreams: true}
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(large), grpc.MaxSendMsgSize(large))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "tidegate.Echo",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			stream("Unary", unary), stream("Collect", collect), stream("Repeat", repeat), stream("Chat", chat),
			stream("Fail", fail), stream("FailLate", failLate), stream("Never", never),
		},
	}, nil)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	check(server.Serve(listener))
}

func unary(_ any, s grpc.ServerStream) error {
	var message []byte
	if err := s.RecvMsg(&message); err != nil {
		return err
	}
	in, _ := metadata.FromIncomingContext(s.Context())
	out := metadata.MD{}
	for _, key := range []string{"x-test-a", "x-test-b-bin"} {
		out.Append(key, in.Get(key)...)
	}
	if err := s.SendHeader(out); err != nil {
		return err
	}
	s.SetTrailer(metadata.Pairs("x-test-trailer-bin", "\x00\xff\n"))
	return s.SendMsg(&message)
}

func collect(_ any, s grpc.ServerStream) error {
	var all []byte
	for {
		var message []byte
		err := s.RecvMsg(&message)
		if err == io.EOF {
			return s.SendMsg(&all)
		}
		if err != nil {
			return err
		}
		all = append(all, message...)
	}
}

func repeat(_ any, s grpc.ServerStream) error {
	var message []byte
	if err := s.RecvMsg(&message); err != nil {
		return err
	}
	for i := byte(0); i < message[0]; i++ {
		if err := s.SendMsg(&[]byte{i}); err != nil {
			return err
		}
	}
	return nil
}

func chat(_ any, s grpc.ServerStream) error {
	for {
		var message []byte
		err := s.RecvMsg(&message)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.SendMsg(&message); err != nil {
			return err
		}
	}
}

const failure = `no: 50 % "ü"`

func fail(_ any, _ grpc.ServerStream) error { return status.Error(codes.FailedPrecondition, failure) }

func failLate(_ any, s grpc.ServerStream) error {
	message := []byte("m")
	if err := s.SendMsg(&message); err != nil {
		return err
	}
	return status.Error(codes.DataLoss, failure)
}

func never(_ any, s grpc.ServerStream) error {
	<-s.Context().Done()
	// Where a test can see it.
	fmt.Println("cancelled")
	return s.Context().Err()
}

// ── client ────────────────────────────────────────────────────────────────────────────────────────────────

func calls(conn *grpc.ClientConn) {
	tests := []struct {
		name string
		run  func(*grpc.ClientConn) error
	}{
		{"unary", testUnary}, {"large", testLarge}, {"collect", testCollect}, {"repeat", testRepeat}, {"chat", testChat},
		{"errors", testErrors}, {"deadline", testDeadline}, {"cancel", testCancel}, {"many", testMany},
	}
	for _, test := range tests {
		if err := test.run(conn); err != nil {
			fmt.Printf("%s: %v\n", test.name, err)
		} else {
			fmt.Printf("%s: ok\n", test.name)
		}
	}
}

func context10() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

func open(ctx context.Context, conn *grpc.ClientConn, name string) (grpc.ClientStream, error) {
	return conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/tidegate.Echo/"+name)
}

func echo(ctx context.Context, conn *grpc.ClientConn, message []byte, options ...grpc.CallOption) error {
	var got []byte
	if err := conn.Invoke(ctx, "/tidegate.Echo/Unary", &message, &got, options...); err != nil {
		return err
	}
	if !bytes.Equal(got, message) {
		return fmt.Errorf("%d bytes came back of %d", len(got), len(message))
	}
	return nil
}

func testUnary(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-test-a", "value", "x-test-b-bin", "\x01\xfe\x00")
	var header, trailer metadata.MD
	if err := echo(ctx, conn, []byte("hello"), grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		return err
	}
	got := fmt.Sprintf("%q %q %q", header.Get("x-test-a"), header.Get("x-test-b-bin"), trailer.Get("x-test-trailer-bin"))
	if want := `["value"] ["\x01\xfe\x00"] ["\x00\xff\n"]`; got != want {
		return fmt.Errorf("metadata %s", got)
	}
	return nil
}

func testLarge(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	message := make([]byte, 16<<20)
	for i := range message {
		message[i] = byte(i * 7 >> 3)
	}
	return echo(ctx, conn, message)
}

func testCollect(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	s, err := open(ctx, conn, "Collect")
	if err != nil {
		return err
	}
	for i := byte(0); i < 100; i++ {
		if err := s.SendMsg(&[]byte{i}); err != nil {
			return err
		}
	}
	_ = s.CloseSend()
	var got []byte
	if err := s.RecvMsg(&got); err != nil {
		return err
	}
	if len(got) != 100 || got[99] != 99 {
		return fmt.Errorf("%v", got)
	}
	return nil
}

func testRepeat(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	s, err := open(ctx, conn, "Repeat")
	if err != nil {
		return err
	}
	if err := s.SendMsg(&[]byte{100}); err != nil {
		return err
	}
	_ = s.CloseSend()
	for i := 0; ; i++ {
		var got []byte
		err := s.RecvMsg(&got)
		if err == io.EOF && i == 100 {
			return nil
		}
		if err != nil || int(got[0]) != i {
			return fmt.Errorf("message %d: %v %v", i, got, err)
		}
	}
}

func testChat(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	s, err := open(ctx, conn, "Chat")
	if err != nil {
		return err
	}
	for i := byte(0); i < 50; i++ {
		if err := s.SendMsg(&[]byte{i}); err != nil {
			return err
		}
		var got []byte
		if err := s.RecvMsg(&got); err != nil || got[0] != i {
			return fmt.Errorf("message %d: %v %v", i, got, err)
		}
	}
	_ = s.CloseSend()
	var got []byte
	if err := s.RecvMsg(&got); err != io.EOF {
		return fmt.Errorf("the end: %v", err)
	}
	return nil
}

func testErrors(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	for name, code := range map[string]codes.Code{"Fail": codes.FailedPrecondition, "FailLate": codes.DataLoss} {
		s, err := open(ctx, conn, name)
		if err != nil {
			return err
		}
		_ = s.SendMsg(&[]byte{1})
		_ = s.CloseSend()
		for err == nil {
			var got []byte
			err = s.RecvMsg(&got)
		}
		if status.Code(err) != code || status.Convert(err).Message() != failure {
			return fmt.Errorf("%s: %v", name, err)
		}
	}
	return nil
}

func testDeadline(conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	message, got := []byte("x"), []byte{}
	err := conn.Invoke(ctx, "/tidegate.Echo/Never", &message, &got)
	if status.Code(err) != codes.DeadlineExceeded {
		return err
	}
	return nil
}

func testCancel(conn *grpc.ClientConn) error {
	ctx, cancel := context10()
	defer cancel()
	s, err := open(ctx, conn, "Never")
	if err != nil {
		return err
	}
	_ = s.SendMsg(&[]byte{1})
	cancel()
	var got []byte
	if err := s.RecvMsg(&got); status.Code(err) != codes.Canceled {
		return fmt.Errorf("%v", err)
	}
	return nil
}

func testMany(conn *grpc.ClientConn) error {
	var group sync.WaitGroup
	failures := make(chan error, 500)
	for i := 0; i < 500; i++ {
		number := i
		group.Add(1)
		go func() {
			defer group.Done()
			ctx, cancel := context10()
			defer cancel()
			if err := echo(ctx, conn, []byte(fmt.Sprint(number))); err != nil {
				failures <- err
			}
		}()
	}
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}
