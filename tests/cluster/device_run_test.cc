// A cluster of threads whose worker has a GPU, which is executed on the host.
#include <cuda_runtime_api.h>

#include "kernels/cuda/device.h"
#include "tests/cluster/cluster_run_fixture.h"
#include "trainer/exit_code.h"

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
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kImpossible) << "the data is not what is wrong";
}

// A worker may need the GPU for itself, which whoever starts it has only looked at.
TEST_F(DeviceRunTest, LookingAtTheDeviceTakesNothingOfIt) {
  device_executor::memory = {};
  device_executor::memory.limit = 0;  // a full one is there
  for (const DeviceChoice choice : {DeviceChoice::kFirst, DeviceChoice::kAny}) {
    EXPECT_TRUE(CheckDevice("cuda", choice).ok());
    device_executor::memory.asks_left = 0;
    EXPECT_EQ(CheckDevice("cuda", choice).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(CheckDevice("auto", choice).ok());
    device_executor::memory.asks_left = -1;
  }
  EXPECT_EQ(UsableDevices(), std::vector<int>{0});
  EXPECT_EQ(device_executor::memory.contexts, 0);
  EXPECT_TRUE(FindDevice().ok());
  EXPECT_EQ(device_executor::memory.contexts, 1);
  device_executor::memory = {};
}

// So that a person sees what ps_worker --gpu, or somebody else, has set.
TEST_F(DeviceRunTest, ADeviceThatIsHiddenIsSaidToBe) {
  device_executor::memory.has_device = false;
  ASSERT_EQ(::unsetenv("CUDA_VISIBLE_DEVICES"), 0);
  EXPECT_EQ(CheckFirstDevice().message(),
            "CUDA finds no NVIDIA GPU on this machine (no CUDA-capable device is detected)");
  ASSERT_EQ(::setenv("CUDA_VISIBLE_DEVICES", "9", 1), 0);
  EXPECT_EQ(CheckFirstDevice().message(),
            "CUDA finds no NVIDIA GPU on this machine (no CUDA-capable device is detected), with CUDA_VISIBLE_DEVICES=9");
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  device_executor::memory.has_device = true;
}

// What of a device is a reason to compute on the processor, and what is an error.
TEST_F(DeviceRunTest, ADeviceThatFailsIsNoDeviceThatIsMissing) {
  for (const absl::Status& missing : {absl::NotFoundError("a"), absl::UnimplementedError("a"), absl::FailedPreconditionError("a"),
                                      absl::ResourceExhaustedError("a")}) {
    EXPECT_EQ(NoDeviceError(missing).message(), "device: cuda cannot be had: a. Set device: auto or cpu");
  }
  EXPECT_EQ(NoDeviceError(absl::InternalError("a")), absl::InternalError("a"));
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
