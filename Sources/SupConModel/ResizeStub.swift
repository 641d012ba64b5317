import SupConTensor
import SupConVision
enum Normalization { case none }
final class AugmentationWorkspace {}
func resize(
    _ image: ImageView, into: UnsafeMutablePointer<Float>, height: Int, width: Int, _ normalization: Normalization = .none, workspace: AugmentationWorkspace
) throws(SupConError) {}
