// FIFOs for the C-simulation: hls::stream and ac_channel where the tool's own are absent, hwq::fifo in plain C++.
//
// Alone, a FIFO never fills; reading from an empty one stops the program and names it. In a network (hwq_network.h) the
// process waits instead, and a FIFO is as deep as in hardware.
#ifndef HWQ_FIFO_H
#define HWQ_FIFO_H

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>

namespace hwq {

enum { fifo_fault = 4 };  // exit status of a program that has misused one

class fifo_base {
 public:
  explicit fifo_base(const char *name = "") : name(name), depth(0), most(0), held(0) {}

  const char *name;
  std::size_t depth;  // 0: without end
  std::size_t most;   // the high-water mark
  std::size_t held;

  // What a network does when a FIFO is empty or full, and after each write; false: there is none.
  struct scheduler {
    virtual ~scheduler() {}
    virtual void wait(fifo_base &fifo, bool to_read) = 0;
    virtual void written(fifo_base &fifo) = 0;
  };
  static scheduler *&current() {
    static scheduler *one = 0;
    return one;
  }

 protected:
  void before_read() {
    if (held > 0) return;
    if (current()) {
      current()->wait(*this, true);
      return;
    }
    std::fprintf(stderr, "FIFO %s was read when empty\n", name);
    std::exit(fifo_fault);
  }
  void before_write() {
    if (depth > 0 && held >= depth && current()) current()->wait(*this, false);
  }
  void after_write() {
    ++held;
    if (held > most) most = held;
    if (current()) current()->written(*this);
  }
};

template <class T> class fifo : public fifo_base {
 public:
  explicit fifo(const char *name = "") : fifo_base(name) {}

  T read() {
    before_read();
    T token = tokens.front();
    tokens.pop_front();
    --held;
    return token;
  }
  void read(T &token) { token = read(); }
  bool read_nb(T &token) {
    if (empty()) return false;
    token = read();
    return true;
  }
  void write(const T &token) {
    before_write();
    tokens.push_back(token);
    after_write();
  }
  bool write_nb(const T &token) {
    if (full()) return false;
    write(token);
    return true;
  }
  void operator>>(T &token) { token = read(); }
  void operator<<(const T &token) { write(token); }
  bool empty() const { return held == 0; }
  bool full() const { return depth > 0 && held >= depth; }
  bool available(unsigned count) const { return held >= count; }
  std::size_t size() const { return held; }

 private:
  fifo(const fifo &);
  fifo &operator=(const fifo &);

  std::deque<T> tokens;
};

}  // namespace hwq

#endif
