import SupConTensor
import Testing
