// Runs processes that are joined by FIFOs side by side in one thread, and keeps the high-water mark of each FIFO.
//
// Whoever is furthest downstream goes on first, so that a FIFO never holds more than its readers make it wait for: the
// marks are what the order of reads and writes alone asks for.
#ifndef HWQ_NETWORK_H
#define HWQ_NETWORK_H

#include <sys/mman.h>
#include <ucontext.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hwq_fifo.h"

namespace hwq {

class network : public fifo_base::scheduler {
 public:
  network() : running(0) {}
  network(const network &) = delete;
  network &operator=(const network &) = delete;
  ~network() {
    for (member *m : members) {
      if (m->stack != MAP_FAILED) munmap(m->stack, stack_size);
      delete m;
    }
  }

  void fifo(fifo_base &one, const char *name, std::size_t depth) {
    one.name = name;
    one.depth = depth;
    fifos.push_back(&one);
  }

  void process(const char *name, std::function<void()> body) { members.push_back(new member{name, body}); }

  // All processes to their ends. Stops the program where they stand still, or leave a FIFO with data.
  void run() {
    fifo_base::current() = this;
    for (member *m : members) start(*m);
    while (member *next = ready()) {
      running = next;
      swapcontext(&home, &next->context);
    }
    fifo_base::current() = 0;
    running = 0;
    for (member *m : members) {
      if (!m->done) stuck();
    }
    for (fifo_base *f : fifos) {
      if (f->held > 0) {
        std::fprintf(stderr, "FIFO %s is left with data\n", f->name);
        std::exit(fifo_fault);
      }
      mark &m = marks()[f->name];
      m.depth = f->depth;
      if (f->most > m.most) m.most = f->most;
    }
  }

  void wait(fifo_base &fifo, bool to_read) override {
    running->on = &fifo;
    running->to_read = to_read;
    swapcontext(&running->context, &home);
  }

  void written(fifo_base &fifo) override {
    for (member *m : members) {
      if (m->on == &fifo && m->to_read) {
        swapcontext(&running->context, &home);
        return;
      }
    }
  }

  // Name, depth and high-water mark of every FIFO over all runs, a line each.
  static bool report(const char *path) {
    std::FILE *file = std::fopen(path, "w");
    if (!file) return false;
    for (const auto &m : marks()) {
      std::fprintf(file, "%s %lu %lu\n", m.first.c_str(), static_cast<unsigned long>(m.second.depth),
                   static_cast<unsigned long>(m.second.most));
    }
    return std::fclose(file) == 0;
  }

 private:
  struct member {
    const char *name;
    std::function<void()> body;
    ucontext_t context = {};
    void *stack = MAP_FAILED;
    fifo_base *on = 0;  // what it waits for
    bool to_read = false;
    bool done = false;
  };
  struct mark {
    std::size_t depth = 0, most = 0;
  };
  static std::map<std::string, mark> &marks() {
    static std::map<std::string, mark> all;
    return all;
  }
  static const std::size_t stack_size = std::size_t(64) << 20;  // of which only what is touched takes memory

  void start(member &m) {
    m.stack = mmap(0, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m.stack == MAP_FAILED || getcontext(&m.context) != 0) {
      std::fprintf(stderr, "no memory for the processes' stacks\n");
      std::exit(2);
    }
    m.context.uc_stack.ss_sp = m.stack;
    m.context.uc_stack.ss_size = stack_size;
    m.context.uc_link = &home;
    makecontext(&m.context, &network::enter, 0);
  }

  static void enter() {
    network &net = *static_cast<network *>(fifo_base::current());
    member &own = *net.running;
    own.body();
    own.done = true;
  }

  // The last process that can go on.
  member *ready() {
    for (std::size_t k = members.size(); k-- > 0;) {
      member &m = *members[k];
      if (m.done) continue;
      if (m.on && (m.to_read ? m.on->held == 0 : m.on->held >= m.on->depth)) continue;
      m.on = 0;
      return &m;
    }
    return 0;
  }

  void stuck() {
    std::string first, all;
    for (member *m : members) {
      if (m->done || !m->on) continue;
      if (first.empty() || !m->to_read) first = m->on->name;
      all += std::string(all.empty() ? "" : "; ") + m->name + (m->to_read ? " waits for data of " : " waits for room in ") +
             m->on->name;
    }
    std::fprintf(stderr, "FIFO %s: the design stands still: %s\n", first.c_str(), all.c_str());
    std::exit(fifo_fault);
  }

  std::vector<member *> members;
  std::vector<fifo_base *> fifos;
  ucontext_t home = {};
  member *running;
};

}  // namespace hwq

#endif
