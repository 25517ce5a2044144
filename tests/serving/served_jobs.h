// Small trained models to serve, of real training.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "ps/base/file.h"
#include "serving/model_service.h"
#include "serving/model_watch.h"
#include "serving/request_rows.h"
#include "tests/trainer/json_reader.h"
#include "tests/trainer/trained_job.h"

namespace ps {

// A directory of the test, empty at first.
inline std::string ServingPlace() {
  const std::string place = TempPath("serving");
  EXPECT_TRUE(RemoveTree(place).ok());
  EXPECT_TRUE(MakeDirs(place).ok());
  return place;
}

// Trains on a table of label, price (numbers), colour and note (texts; some have quotes), and weight.
// `colours`: how many there are; another number makes another model.
inline void TrainTable(const std::string& place, int colours = 5) {
  std::ofstream rows(place + "/train.csv");
  rows << "label,price,colour,note,weight\n";
  for (int r = 0; r < 600; ++r) {
    const int mixed = (r * 7919 + r / 13) % 1009;
    rows << (mixed % 10 < 3) << ',' << mixed * 0.25 << ",c" << mixed % colours << ','
         << (r % 7 == 0 ? "\"say, \"\"hi\"\"\"" : "n") << ',' << (r % 5 == 0 ? "2" : "1") << '\n';
  }
  rows.close();
  const std::atomic<bool> stop = false;
  Train(absl::StrCat("job: t\ndata: {train: {files: [", place, "/train.csv]}, format: csv, header: true, weight: weight}\n",
                     "features: [{column: price, op: numeric}, {column: colour, op: hash}, {column: note, op: hash}]\n",
                     "model: {type: lr}\noutput: {dir: ", place, "/table}\n"),
        {}, stop);
}

inline void TrainLibsvm(const std::string& place) {
  const std::atomic<bool> stop = false;
  Train(absl::StrCat("job: l\ndata: {train: {files: [", WriteRows(500), "]}, format: libsvm}\nmodel: {type: lr}\noutput: {dir: ",
                     place, "/libsvm}\n"),
        {}, stop);
}

inline std::unique_ptr<ModelWatch> Watch(const std::string& dir) {
  auto watch = ModelWatch::Open(dir);
  EXPECT_TRUE(watch.ok()) << watch.status();
  return watch.ok() ? *std::move(watch) : nullptr;
}

inline HttpResponse Post(ModelService& service, const std::string& path, const std::string& body) {
  return service.Answer({.method = "POST", .path = path, .body = body});
}
inline HttpResponse Get(ModelService& service, const std::string& path) {
  return service.Answer({.method = "GET", .path = path});
}

}  // namespace ps
