import Foundation
import SupConTensor
import SupConVision
import func TestSupport.loggedMessages
import Testing

/// Tests the log messages of data sets.
@Suite struct DatasetLogTests {
    @Test func floatsOutOfRange() throws {
        var values: [Float] = [0, 255]
        let told = try loggedMessages(.info) {
            try values.withUnsafeMutableBufferPointer { memory in
                _ = try Dataset.images(
                    ImageBatch(
                        dense: try #require(memory.baseAddress), element: .f32, count: 2, height: 1,
                        width: 1, channels: 1))
            }
        }
        #expect(told.contains { $0.contains("255.0") && $0.contains("0 to 1") })
    }

    @Test func damagedScansComeOutWithAWarning() throws {
        let folder = try TemporaryFolder()
        let whole = try Fixtures.bytes("large.jpg")
        let path = try folder.write("x.jpg", Array(whole[..<(whole.count - 150)]) + [0xff, 0xd9])
        let told = try loggedMessages(.info) {
            let dataset = try Dataset.files([path], options: DatasetOptions(onError: .refuse))
            let pixels = try contents(dataset)[0]
            // The first rows are as they were.
            let truth = try Fixtures.image("large.jpg").rgb
            #expect(
                pixels.count == truth.count
                    && zip(pixels, truth).prefix(83 * 3 * 4).allSatisfy {
                        abs($0 - Double($1)) <= 3
                    })
        }
        #expect(told.contains { $0.hasPrefix(path) && $0.contains("damaged") })
    }

    @Test func oddFolders() throws {
        let folder = try TemporaryFolder()
        try folder.folder("empty")
        try folder.copy("rgb8.png", to: "single/1.png")
        try folder.write("stray.png", [1])
        try folder.write("single/bad.png", [1])
        let told = try loggedMessages(.info) { _ = try Dataset.folder(folder.path) }
        for words in [
            "class “empty” has no image", "class “single” has one image", "1 file beside",
            "1 of 2 files are left out", "1 images in 2 classes",
        ] {
            #expect(told.contains { $0.contains(words) }, "\(words)")
        }
    }
}
