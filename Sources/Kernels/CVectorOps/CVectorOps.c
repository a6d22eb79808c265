#include "CVectorOps.h"
