#include "guestmemory.h"
