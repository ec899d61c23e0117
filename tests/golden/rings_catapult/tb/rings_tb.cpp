// Testbench of rings: feeds codes, compares every output code, returns 1 at the first that differs.
//
// usage: rings_tb [FOLDER] [--all]
// FOLDER (default tb/data) holds one text file per port: in_<port>.txt with the inputs and out_<port>.txt with the codes
// expected, a sample per line, each code as a decimal integer (as 64-bit words, the lowest first, past 64 bits).
// With --all the run goes on after a difference, and writes what came out to got_<port>.txt.
#include <cstdio>
#include <cstring>
#include <string>

#include "../src/rings.h"

#ifdef CCS_SCVERIFY
#include <mc_scverify.h>
#else
#define CCS_MAIN(argc, argv) int main(argc, argv)
#define CCS_RETURN(status) return (status)
#define CCS_DESIGN(name) ::name
#endif

namespace {

// Reads the code of one element; false at the end of the file.
template <class T> bool read_code(std::FILE *file, T &value) {
  unsigned long long words[(hwq::format<T>::width + 63) / 64];
  for (int k = 0; k < hwq::word_count(value); ++k) {
    long long word;
    if (std::fscanf(file, "%lld", &word) != 1) return false;
    words[k] = static_cast<unsigned long long>(word);
  }
  value = hwq::from_words<T>(words);
  return true;
}

template <class T> bool same_code(const T &a, const T &b) {
  for (int k = 0; k < hwq::word_count(a); ++k) {
    if (hwq::word(a, k) != hwq::word(b, k)) return false;
  }
  return true;
}

template <class T> void write_code(std::FILE *file, const T &value, bool last) {
  for (int k = 0; k < hwq::word_count(value); ++k) {
    std::fprintf(file, "%lld%c", hwq::word(value, k), last && k + 1 == hwq::word_count(value) ? '\n' : ' ');
  }
}

std::FILE *open_port(const std::string &folder, const char *name, const char *mode) {
  std::FILE *file = std::fopen((folder + "/" + name + ".txt").c_str(), mode);
  if (!file) std::fprintf(stderr, "cannot open %s/%s.txt\n", folder.c_str(), name);
  return file;
}

}  // namespace

namespace ports {

point_t point[2];
fc3_t out_score[3], expected_out_score[3];

}  // namespace ports

CCS_MAIN(int argc, char **argv) {
  std::string folder = "tb/data";
  bool all = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--all") == 0) {
      all = true;
    } else {
      folder = argv[i];
    }
  }
  std::FILE *file_point = open_port(folder, "in_point", "r");
  if (!file_point) return 2;
  std::FILE *file_out_score = open_port(folder, "out_score", "r");
  if (!file_out_score) return 2;
  std::FILE *got_out_score = all ? open_port(folder, "got_out_score", "w") : 0;
  if (all && !got_out_score) return 2;

  long samples = 0, wrong = 0;
  for (bool more = true; more;) {
    for (int i = 0; more && i < 2; ++i) more = read_code(file_point, ports::point[i]);
    if (!more) break;
    for (int i = 0; i < 3; ++i) {
      if (!read_code(file_out_score, ports::expected_out_score[i])) {
        std::fprintf(stderr, "out_score.txt is shorter than the inputs\n");
        return 2;
      }
    }
    CCS_DESIGN(rings)(ports::point, ports::out_score);
    for (int i = 0; i < 3; ++i) {
      if (!same_code(ports::out_score[i], ports::expected_out_score[i])) {
        if (wrong++ == 0) {
          std::printf("DIFFERENT out_score sample %ld index %d: expected code %lld, got %lld\n", samples, i,
                      hwq::word(ports::expected_out_score[i], 0), hwq::word(ports::out_score[i], 0));
        }
        if (!all) return 1;
      }
      if (all) write_code(got_out_score, ports::out_score[i], i == 2);
    }
    ++samples;
  }
  std::fclose(file_point);
  std::fclose(file_out_score);
  if (got_out_score) std::fclose(got_out_score);
  if (wrong == 0) std::printf("EQUAL %ld samples\n", samples);
  CCS_RETURN(wrong == 0 && samples > 0 ? 0 : 1);
}
