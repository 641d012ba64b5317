import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

/// Tests which classes there are, and their order.
@Suite struct ClassOrderTests {
    /// The names in natural order.
    static let names = [
        "A2", "a", "a01", "a1", "a2", "a10", "a10b", "a10b2", "a18446744073709551616",
        "a18446744073709551617", "b", "ä",
    ]

    @Test func digitsCountAsNumbers() {
        for (i, a) in Self.names.enumerated() {
            for (j, b) in Self.names.enumerated() {
                #expect(
                    naturallyPrecedes(Array(a.utf8), Array(b.utf8)) == (i < j), "\(a) and \(b)")
            }
        }
    }

    @Test func foldersComeInEitherOrder() throws {
        let folder = try TemporaryFolder()
        for name in ["class 10", "class 2", "class 1", "__MACOSX"] {
            try folder.copy("rgb8.png", to: "\(name)/x.png")
        }
        try folder.copy("rgb8.png", to: "class 1/__MACOSX/y.png")
        let bytes = try Dataset.folder(folder.path)
        #expect((0..<3).map { bytes.className($0) } == ["class 1", "class 10", "class 2"])
        #expect(bytes.count == 3 && bytes.classes == 3)
        let natural = try Dataset.folder(
            folder.path, options: DatasetOptions(classOrder: .natural))
        #expect((0..<3).map { natural.className($0) } == ["class 1", "class 2", "class 10"])
        #expect(natural.labels == [0, 1, 2])
        #expect(try #require(natural.path(1)).hasSuffix("class 2/x.png"))
    }

    @Test func classesMayBeChosen() throws {
        let folder = try TemporaryFolder()
        for name in ["cat/1.png", "cat/2.png", "dog/1.png", "owl/1.png"] {
            try folder.copy("rgb8.png", to: name)
        }
        let all = try Dataset.folder(folder.path)
        let some = try all.with(classes: ["owl", "ant", "cat"])
        #expect(some.labels == [2, 2, 0] && some.classes == 3)
        #expect((0..<3).map { some.className($0) } == ["owl", "ant", "cat"])
        #expect(try #require(some.path(2)).hasSuffix("owl/1.png"))
        let same = try all.with(classes: ["dog", "owl", "cat"])
        #expect(same.labels == [2, 2, 0, 1] && same.count == 4)
        expectError(.argument, "“owl” is given twice") { () throws(SupConError) in
            try all.with(classes: ["owl", "owl"])
        }
        expectError(.state, "no image", "“bat”", "“cat”") { () throws(SupConError) in
            try all.with(classes: ["bat"])
        }
        let unlabeled = try Dataset.files([Fixtures.path("rgb8.png")])
        expectError(.state, "no labels") { () throws(SupConError) in
            try unlabeled.with(classes: ["cat"])
        }
    }
}
