import MigrationModel
import Testing

@Suite("What is not shown")
struct SecretTests {
    private struct Request {
        let name = "web1"
        let secret: Secret<UInt64>
    }

    // Broken by: any way of printing a value, or what holds it, that shows the secret.
    @Test("a secret prints as redacted, alone and inside")
    func redacted() {
        let secret = Secret<UInt64>(1_234_567_890_123)
        let request = Request(secret: secret)
        var dumped = ""
        dump(request, to: &dumped)
        dump(secret, to: &dumped)
        let texts = [
            "\(secret)", "\(request)", String(reflecting: secret), String(reflecting: request),
            "\(Optional(secret) as Any)", "\([secret])", "\(["key": secret])", dumped,
        ]
        for text in texts {
            #expect(!text.contains("1234567890123") && !text.contains("1_234"), "\(text)")
            #expect(text.contains("<redacted>"), "\(text)")
        }
        #expect(secret.exposed == 1_234_567_890_123)
        #expect(secret == Secret(1_234_567_890_123))
    }

    // Broken by: text of a peer that a terminal obeys, or that looks like a line of ours.
    @Test(
        "what a terminal obeys is shown",
        arguments: [
            ("plain – with … and é", "plain – with … and é"),
            ("a\u{1B}[2Jb", "a\\u{1b}[2Jb"), ("a\nVM x is RUNNING", "a\\u{a}VM x is RUNNING"),
            ("\u{9B}31m", "\\u{9b}31m"), ("a\u{202E}b", "a\\u{202e}b"),
            (
                "\r\u{8}\u{7F}",
                "\\u{d}\\u{8}\\u{7f}"
            ), ("a\u{2028}b\0", "a\\u{2028}b\\u{0}"),
        ])
    func oneLine(text: String, shown: String) {
        #expect(text.onOneLine() == shown)
        let error = LivemigError(.io, text, at: text, fix: text)
        #expect(error.explanation == [shown, shown, shown].joined(separator: "; "))
        let guest = GuestLocation(vm: text, state: .running, host: text, epoch: Epoch(1))
        #expect(guest.description == "VM \(shown) is RUNNING on \(shown) (epoch 1)")
    }

    // Broken by: line feeds or tabs lost where lines are printed as they are.
    @Test func `several lines stay lines`() {
        #expect("<a>\n\t<b/>\n</a>".harmless() == "<a>\n\t<b/>\n</a>")
        #expect("a\r\n\u{1B}]0;x\u{7}".harmless() == "a\\u{d}\n\\u{1b}]0;x\\u{7}")
    }
}
