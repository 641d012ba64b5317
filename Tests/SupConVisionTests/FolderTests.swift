import Foundation
import Glibc
import SupConTensor
import TestSupport
import SupConVision
import Testing

@Suite struct FolderTests {
    @Test func classesAndFilesComeInByteOrder() throws {
        let folder = try TemporaryFolder()
        for name in ["b/2.jpg", "b/10.png", "B/x.jpg", "ä/y.png", "a/deep/er/z.jpg", "a/d.png"] {
            try folder.copy(name.hasSuffix("png") ? "gray8.png" : "rgb444.jpg", to: name)
        }
        let dataset = try Dataset.folder(folder.path)
        #expect(
            dataset.classes == 4 && (0..<4).map { dataset.className($0) } == ["B", "a", "b", "ä"])
        #expect(
            (0..<dataset.count).map { dataset.path($0) }
                == ["B/x.jpg", "a/d.png", "a/deep/er/z.jpg", "b/10.png", "b/2.jpg", "ä/y.png"].map(
                    folder.path))
        #expect(
            dataset.labels == [0, 1, 1, 2, 2, 3] && dataset.skipped.isEmpty && dataset.channels == 3
                && dataset.height == 13 && dataset.width == 17)
        #expect(
            try Dataset.folder(folder.path + "/", options: DatasetOptions(channels: 1)).channels
                == 1)
    }

    @Test func contentDecidesNotTheName() throws {
        let folder = try TemporaryFolder()
        try folder.copy("rgb444.jpg", to: "a/picture")
        try folder.copy("rgb8.png", to: "a/is_png.jpg")
        for name in ["a/README", "a/.hidden.jpg", "a/.git/x.jpg", "a/Thumbs.db"] {
            try folder.write(name, Array("text".utf8))
        }
        try folder.write("a/empty", [])
        let ignored = try Dataset.folder(folder.path, options: DatasetOptions(onError: .refuse))
        #expect(ignored.count == 2 && ignored.skipped.isEmpty)

        try folder.write("a/text.JPG", Array("text".utf8))
        try folder.write("a/none.png", [])
        try folder.write("a/web.webp", Array("RIFF1234WEBPVP8 ".utf8))
        try folder.write("a/cut", Array(try Fixtures.bytes("rgb8.png").dropLast()))
        let dataset = try Dataset.folder(folder.path)
        #expect(dataset.count == 2)
        #expect(
            dataset.skipped.map { $0.dropFirst(folder.path.count) } == [
                "/a/cut: is cut off: it ends after 743 bytes, before its IEND chunk",
                "/a/none.png: is empty",
                "/a/text.JPG: is neither a JPEG nor a PNG nor a WebP image",
                "/a/web.webp: is cut off: it ends after 16 bytes of 875770425",
            ])
        expectError(.format, "a/cut") { () throws(SupConError) in
            try Dataset.folder(folder.path, options: DatasetOptions(onError: .refuse))
        }
    }

    @Test func aFolderWithoutReadableImages() throws {
        let folder = try TemporaryFolder()
        try folder.write("b/note.jpg", Array("text".utf8))
        let left = "left out: 1, the first: \(folder.path)/b/note.jpg"
        expectError(.format, "has one class folder, but no image in it", left) {
            () throws(SupConError) in try Dataset.folder(folder.path)
        }
        try folder.write("a/animation.gif", Array("GIF89a".utf8))
        expectError(.format, "has 2 class folders, but no image in them") {
            () throws(SupConError) in try Dataset.folder(folder.path)
        }
        var options = DatasetOptions(allowsEmpty: true)
        let empty = try Dataset.folder(folder.path, options: options)
        #expect(empty.count == 0 && empty.labels == [] && empty.height == nil)
        #expect(empty.classes == 2 && empty.className(1) == "b")
        #expect(
            empty.skipped.map { $0.prefix(folder.path.count + 12) } == [
                "\(folder.path)/a/animation", "\(folder.path)/b/note.jpg:",
            ])
        let encoded = try Dataset.encoded([Array("text".utf8)], labels: [7], options: options)
        #expect(encoded.count == 0 && encoded.skipped.count == 1)
        #expect(try Dataset.folder(folder.path + "/b", options: options).labels == nil)
        options.onError = .refuse
        expectError(.format, "a/animation.gif") { () throws(SupConError) in
            try Dataset.folder(folder.path, options: options)
        }
    }

    @Test func linksAreFollowedAndCirclesEnd() throws {
        let folder = try TemporaryFolder()
        let elsewhere = try TemporaryFolder()
        try elsewhere.copy("rgb8.png", to: "pictures/one.png")
        try folder.copy("gray8.png", to: "a/own.png")
        try folder.link("a/file.png", to: elsewhere.path("pictures/one.png"))
        try folder.link("b", to: elsewhere.path("pictures"))
        try folder.link("a/self", to: folder.path("a"))
        try folder.link("a/up", to: folder.path)
        try folder.link("a/twice", to: elsewhere.path("pictures"))
        try folder.link("a/again", to: elsewhere.path("pictures"))
        try folder.link("a/x", to: folder.path("a/y"))
        try folder.link("a/y", to: folder.path("a/x"))
        let dataset = try Dataset.folder(folder.path)
        #expect(
            (0..<dataset.count).map { dataset.path($0) }
                == ["a/again/one.png", "a/file.png", "a/own.png", "b/one.png"].map(folder.path))
        #expect(dataset.labels == [0, 0, 0, 1] && dataset.classes == 2)
        // A link to nowhere cannot be read, whatever its name.
        #expect(
            dataset.skipped.count == 2
                && dataset.skipped.allSatisfy { $0.contains("cannot be opened") })
    }

    @Test func pipesAreNotWaitedFor() throws {
        let folder = try TemporaryFolder()
        try folder.copy("rgb8.png", to: "a/1.png")
        #expect(mkfifo(folder.path("a/pipe.png"), 0o600) == 0)
        #expect(try Dataset.folder(folder.path).count == 1)
        expectError(.io, "regular") { () throws(SupConError) in
            try Dataset.files(
                [folder.path("a/pipe.png")], options: DatasetOptions(onError: .refuse))
        }
        expectError(.io, "regular") { () throws(SupConError) in
            try Dataset.files([folder.path("a")], options: DatasetOptions(onError: .refuse))
        }
    }

    @Test func namesNeedNotBeUTF8() throws {
        let folder = try TemporaryFolder()
        let bytes = Array((folder.path + "/class/").utf8) + [0xff, 0xfe, 0x2e, 0x70]
        try folder.folder("class")
        let target = (bytes + [0]).map { CChar(bitPattern: $0) }
        let file = try #require(fopen(target, "w"))
        let image = try Fixtures.bytes("rgb8.png")
        #expect(fwrite(image, 1, image.count, file) == image.count)
        fclose(file)
        let dataset = try Dataset.folder(folder.path)
        #expect(dataset.count == 1 && dataset.path(0)?.hasSuffix("\u{fffd}\u{fffd}.p") == true)
        #expect(try contents(dataset)[0].count == 13 * 17 * 3)
        #expect(strcmp(try #require(dataset.pathPointer(0)), target) == 0)
        #expect(try Dataset.files([RawPath(bytes: bytes)]).count == 1)
    }

    @Test func emptyClassesStay() throws {
        let folder = try TemporaryFolder()
        try folder.folder("a")
        try folder.copy("rgb8.png", to: "b/1.png")
        try folder.write("stray.png", try Fixtures.bytes("rgb8.png"))
        let dataset = try Dataset.folder(folder.path)
        #expect(dataset.classes == 2 && dataset.labels == [1] && dataset.className(0) == "a")
    }

    @Test func filesAloneHaveNoLabels() throws {
        let folder = try TemporaryFolder()
        try folder.copy("rgb8.png", to: "2.png")
        try folder.copy("rgb444.jpg", to: "1.jpg")
        try folder.write("notes.txt", [1])
        let dataset = try Dataset.folder(folder.path)
        #expect(
            dataset.labels == nil && dataset.classes == 0 && dataset.count == 2
                && dataset.path(0) == folder.path("1.jpg") && dataset.className(0) == nil)
    }

    @Test func uselessFoldersAreErrors() throws {
        let folder = try TemporaryFolder()
        expectError(.format, folder.path, "neither") { () throws(SupConError) in
            try Dataset.folder(folder.path)
        }
        try folder.write("a/x.png", [1])
        expectError(.io, "No such file") { () throws(SupConError) in
            try Dataset.folder(folder.path("nowhere"))
        }
        expectError(.io, "Not a directory") { () throws(SupConError) in
            try Dataset.folder(folder.path("a/x.png"))
        }
        expectError(.argument, "empty") { () throws(SupConError) in try Dataset.folder("") }
        expectError(.argument, "channels") { () throws(SupConError) in
            try Dataset.folder(folder.path, options: DatasetOptions(channels: 4))
        }
    }
}
