// A cluster of threads whose worker has a GPU, which is executed on the host.
#include <cuda_runtime_api.h>

#include "tests/cluster/cluster_run_fixture.h"

namespace ps {
namespace {

class DeviceRunTest : public ClusterRunTest {
 protected:
  ~DeviceRunTest() override {
    EXPECT_EQ(device_executor::memory.used, 0u);
    device_executor::launches.until_failure = -1;
  }
  ClusterJob JobOn(const char* device) {
    ClusterJob job = MakeJob(0);
    job.config.train.batch_rows = 256;
    job.config.device = device;
    return job;
  }
};

struct WithDevices : Collected {
  std::vector<std::string> devices;
  void OnDevices(const WorkerDevices& now) override { devices.push_back(now.Text()); }
};

TEST_F(DeviceRunTest, LearnsTheBytesOfTheProcessor) {
  WithDevices processor, device;
  ASSERT_TRUE(RunEmbeddedCluster(JobOn("auto"), {1, 2}, {&processor, {}}).ok());
  ASSERT_TRUE(RunEmbeddedCluster(JobOn("cuda"), {1, 1}, {&device, {}}).ok());
  ExpectLearnt(device);
  ExpectSameBytes(processor, device);
  EXPECT_EQ(processor.devices, std::vector<std::string>{"2 workers on the processor"});
  EXPECT_EQ(device.devices, std::vector<std::string>{"1 worker on executor on the host"});
}

// Nobody would take the place of a thread.
TEST_F(DeviceRunTest, AKernelThatFailsEndsTheJob) {
  device_executor::launches.until_failure = 100;
  Collected failed;
  const absl::Status status = RunEmbeddedCluster(JobOn("cuda"), {1, 1}, {&failed, {}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_NE(status.message().find("too many resources"), std::string::npos) << status;
}

// So a checkpoint of workers on GPUs is gone on from by workers without, and the other way round.
TEST_F(DeviceRunTest, APlanOnADeviceIsThatOfTheProcessor) {
  const auto cpu = PlanCluster(JobOn("cpu")), cuda = PlanCluster(JobOn("cuda"));
  ASSERT_TRUE(cpu.ok() && cuda.ok());
  EXPECT_EQ(cpu->plan_digest, cuda->plan_digest);
  EXPECT_EQ(cuda->plan.device(), "cuda");
}

}  // namespace
}  // namespace ps
