// Who may speak with a cluster's sockets: CURVE (https://rfc.zeromq.org/spec/26), which encrypts and
// authenticates every connection with one key pair for the whole job. Whoever has the pair is a node
// of the job; whoever has not gets no message in or out.
//
// The pair is a small text file that `ps_ctl keygen` makes; keys are in Z85, 40 characters each.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ps {

struct CurveKeys {
  std::string public_key, secret_key;  // both empty: connections are neither encrypted nor checked
  bool empty() const { return secret_key.empty(); }
};

// A new pair from the system's random numbers. Unimplemented where libzmq was built without CURVE.
absl::StatusOr<CurveKeys> NewCurveKeys();

// The file's text. InvalidArgument says what is wrong, also with a pair whose parts do not belong
// together. Errors never contain a key.
std::string FormatCurveKeys(const CurveKeys& keys);
absl::StatusOr<CurveKeys> ParseCurveKeys(const std::string& text);

// An empty path: no keys. Warns of a file that everybody may read.
absl::StatusOr<CurveKeys> ReadCurveKeys(const std::string& path);
// A file that only its owner may read. AlreadyExists for a path that is there: nodes may be using it.
absl::Status WriteCurveKeys(const std::string& path, const CurveKeys& keys);

// Answers a context's questions about who connects (ZAP, https://rfc.zeromq.org/spec/27): only who
// has the pair, because knowing its public half is enough for a connection to be encrypted. A thread
// of its own, from construction until the context is terminated.
class CurveGate {
 public:
  CurveGate(void* context, const CurveKeys& keys);
  ~CurveGate();  // once the context is terminated
  CurveGate(const CurveGate&) = delete;
  CurveGate& operator=(const CurveGate&) = delete;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// Makes a socket's connections CURVE's: of those who connect to it, or of it to others.
void SecureListener(void* socket, const CurveKeys& keys);
void SecureConnector(void* socket, const CurveKeys& keys);

}  // namespace ps
