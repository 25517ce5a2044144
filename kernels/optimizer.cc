#include "kernels/optimizer.h"
